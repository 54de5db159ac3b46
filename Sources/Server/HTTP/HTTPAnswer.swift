import CanonicalJSON
import NIOConcurrencyHelpers
import Protocol
import Refusals

/// The answer to one request over HTTP, made of what its calls answer. Any thread.
final class HTTPAnswer: Sendable {
  /// What the answers become.
  enum Form: Sendable {
    /// The answer of one call of JSON-RPC, and one array of those to a batch (JSON-RPC 2.0 §6).
    case rpc, rpcBatch
    /// 201 for an event of OpenLineage that is durable.
    case event
    /// 204 for a batch of them, or 200 with those that are refused.
    case eventBatch
    /// The result as it stands.
    case document
    /// The result, with 503 where it says that the server isn't ready.
    case readiness
    /// The head of a stream of events.
    case eventStream
  }

  private struct State {
    /// The answers to the calls of a batch of JSON-RPC.
    var parts: [[UInt8]]
    /// What is refused of a batch of events.
    var refused: [(index: Int, refusal: Refusal)] = []
    /// How many bytes those come to.
    var refusedBytes = 0
    var missing: Int

    /// Keeps why an event is refused: with every fault, as long as there is room for that, then in a sentence.
    mutating func refuse(_ refusal: Refusal, at index: Int) {
      var refusal = refusal
      if refusedBytes < HTTPAnswer.faultBytes {
        refusedBytes += JSON.object(refusal.data).canonicalBytes.count
      } else {
        refusal.data["problems"] = nil
      }
      refused.append((index, refusal))
    }
  }

  /// So many bytes of faults are told of the events of one batch; of those behind them, the sentence alone.
  private static let faultBytes = 1 << 20

  /// What tells it from the other requests of its connection.
  let number: Int
  let form: Form
  let closes: Bool
  private let route: HTTPRoute
  private let metrics: ServerMetrics
  private let isHead: Bool
  private let count: Int
  private let state: NIOLockedValueBox<State>
  private let whenWhole: @Sendable () -> Void

  /// - Parameters:
  ///   - route: What was asked for.
  ///   - metrics: Who counts the answer.
  ///   - count: How many of the calls are answered.
  ///   - closes: Whether the connection ends with it.
  ///   - isHead: Whether no body is sent.
  ///   - whenWhole: Called once, after the last bytes are in the outbox.
  init(
    _ form: Form, to route: HTTPRoute, countedBy metrics: ServerMetrics, number: Int, count: Int, closes: Bool,
    isHead: Bool, whenWhole: @escaping @Sendable () -> Void
  ) {
    self.form = form
    self.route = route
    self.metrics = metrics
    self.number = number
    self.count = count
    self.closes = closes
    self.isHead = isHead
    self.whenWhole = whenWhole
    let isBatch = if case .rpcBatch = form { true } else { false }
    state = NIOLockedValueBox(State(parts: isBatch ? Array(repeating: [], count: count) : [], missing: count))
  }

  /// Puts in what a call answers: the whole answer goes to the outbox with the last of them.
  func put(_ outcome: Result<[UInt8], Refusal>, at index: Int, _ id: RequestID, in outbox: Outbox) {
    let (response, change) = add(outcome, at: index, id)
    if let response { metrics.responded(route, status: response.status) }
    outbox.put(answering: 1, holding: HeldChange(batch: number, bytes: change)) { output in
      if let response { write(response, into: &output) }
    }
    if response != nil { whenWhole() }
  }

  private func write(_ response: HTTPResponse, into output: inout [UInt8]) {
    if case .eventStream = form, response.status == 200 {
      response.writeHead(closes: true, length: nil, into: &output)
    } else {
      response.write(closes: closes, isHead: isHead, into: &output)
    }
  }

  private func add(
    _ outcome: Result<[UInt8], Refusal>, at index: Int, _ id: RequestID
  ) -> (response: HTTPResponse?, change: Int) {
    switch form {
    case .rpc: return (HTTPResponse(200, json: Self.message(outcome, id)), 0)
    case .rpcBatch: return addPart(Self.message(outcome, id), at: index)
    case .eventBatch: return (addEvent(outcome, at: index), 0)
    case .event, .document, .readiness, .eventStream:
      switch outcome {
      case .success(let result): return (response(to: result), 0)
      case .failure(let refusal): return (HTTPResponse(refusal), 0)
      }
    }
  }

  private func response(to result: [UInt8]) -> HTTPResponse {
    switch form {
    case .event: return HTTPResponse(201)
    case .readiness:
      // Canonical JSON of ours: nothing in it is written in two ways.
      let isReady = !result.isEmpty && String(decoding: result, as: UTF8.self).contains(#""ready":true"#)
      var response = HTTPResponse(isReady ? 200 : 503, json: result)
      if !isReady { response.headers.append(("Retry-After", "1")) }
      return response
    case .eventStream: return HTTPResponse(200, "text/event-stream", [])
    case .rpc, .rpcBatch, .eventBatch, .document: return HTTPResponse(200, json: result)
    }
  }

  private static func message(_ outcome: Result<[UInt8], Refusal>, _ id: RequestID) -> [UInt8] {
    var bytes: [UInt8] = []
    switch outcome {
    case .success(let result): MessageWriter.writeResult(result, id: id, into: &bytes)
    case .failure(let refusal): MessageWriter.writeError(refusal, id: id, into: &bytes)
    }
    return bytes
  }

  private func addPart(_ bytes: [UInt8], at index: Int) -> (response: HTTPResponse?, change: Int) {
    let parts: [[UInt8]]? = state.withLockedValue { state in
      state.parts[index] = bytes
      state.missing -= 1
      guard state.missing == 0 else { return nil }
      defer { state.parts = [] }
      return state.parts
    }
    guard let parts else { return (nil, bytes.count) }
    var body: [UInt8] = [UInt8(ascii: "[")]
    body.append(contentsOf: parts.joined(separator: CollectionOfOne(UInt8(ascii: ","))))
    body.append(UInt8(ascii: "]"))
    return (HTTPResponse(200, json: body), bytes.count - parts.reduce(0) { $0 + $1.count })
  }

  private func addEvent(_ outcome: Result<[UInt8], Refusal>, at index: Int) -> HTTPResponse? {
    let refused: [(index: Int, refusal: Refusal)]? = state.withLockedValue { state in
      if case .failure(let refusal) = outcome { state.refuse(refusal, at: index) }
      state.missing -= 1
      return state.missing == 0 ? state.refused : nil
    }
    return refused.map { batchResponse($0.sorted { $0.index < $1.index }) }
  }

  private func batchResponse(_ refused: [(index: Int, refusal: Refusal)]) -> HTTPResponse {
    guard let first = refused.first else { return HTTPResponse(204) }
    // Where nothing was taken, and for one reason that isn't the events' own, the status says so.
    if refused.count == count, refused.allSatisfy({ $0.refusal.code == first.refusal.code }) {
      switch first.refusal.code {
      case .unauthenticated, .forbidden, .overloaded, .stale, .unavailable, .internal:
        return HTTPResponse(first.refusal)
      default: break
      }
    }
    let failures = refused.map { index, refusal -> JSON in
      [
        "details": .object(refusal.data), "index": .integer(Int64(index)), "reason": .string(refusal.message),
        "retriable": .bool(refusal.code.isTransient || refusal.code == .internal),
      ]
    }
    let retriable = failures.count { $0["retriable"]?.boolValue == true }
    let body: JSON = [
      "failed_events": .array(failures), "status": "partial_success",
      "summary": [
        "failed": .integer(Int64(refused.count)), "non_retriable": .integer(Int64(refused.count - retriable)),
        "received": .integer(Int64(count)), "retriable": .integer(Int64(retriable)),
        "successful": .integer(Int64(count - refused.count)),
      ],
    ]
    return HTTPResponse(200, json: body.canonicalBytes)
  }
}
