import CanonicalJSON
import Dispatch
import NIOConcurrencyHelpers
import Protocol
import Refusals

/// Where the answer to one call goes. Every call that is begun is answered through its reply exactly once, from any
/// thread.
struct Reply: Sendable {
  /// How an answer reaches the client.
  enum Target: Sendable {
    /// The call was a notification.
    case nothing
    /// A line of its own.
    case line(RequestID)
    /// A place in the answer to a batch.
    case part(BatchReply, index: Int, RequestID)
    /// A place in the answer to a request over HTTP.
    case http(HTTPAnswer, index: Int, RequestID)

    /// The number of the batch.
    var batch: Int? {
      switch self {
      case .nothing, .line: nil
      case .part(let batch, _, _): batch.number
      case .http(let answer, _, _):
        if case .rpcBatch = answer.form { answer.number } else { nil }
      }
    }
  }

  let target: Target
  /// The memory of what was asked, until it is answered.
  let input: HeldInput?
  let outbox: Outbox
  let metrics: ServerMetrics
  let started = DispatchTime.now().uptimeNanoseconds
  /// The number of the method, by which it is counted; nil before it is known, or where there is none of its name.
  var method: Int?

  /// Answers with a result that is canonical JSON already.
  func succeed(_ result: [UInt8], kind: ServerMetrics.Kind) {
    metrics.answered(kind, method, since: started, isRefused: false)
    if case .http(let answer, let index, let id) = target {
      return answer.put(.success(result), at: index, id, in: outbox)
    }
    send { id, output in MessageWriter.writeResult(result, id: id, into: &output) }
  }

  /// Answers with an error.
  func fail(_ error: Refusal, kind: ServerMetrics.Kind) {
    metrics.answered(kind, method, since: started, isRefused: true)
    if case .http(let answer, let index, let id) = target {
      return answer.put(.failure(error), at: index, id, in: outbox)
    }
    send { id, output in MessageWriter.writeError(error, id: id, into: &output) }
  }

  private func send(_ write: (RequestID, inout [UInt8]) -> Void) {
    switch target {
    case .nothing, .http:
      outbox.put(answering: 1) { _ in }
    case .line(let id):
      outbox.put(answering: 1) { output in
        write(id, &output)
        output.append(UInt8(ascii: "\n"))
      }
    case .part(let batch, let index, let id):
      var bytes: [UInt8] = []
      write(id, &bytes)
      let (line, change) = batch.put(bytes, at: index)
      outbox.put(answering: 1, holding: HeldChange(batch: batch.number, bytes: change)) { output in
        if let line { output.append(contentsOf: line) }
      }
    }
  }
}

/// The answers to one batch, gathered until all are there (JSON-RPC 2.0 §6).
final class BatchReply: Sendable {
  /// What tells it from the other batches of its connection.
  let number: Int
  private let state: NIOLockedValueBox<(parts: [[UInt8]], missing: Int)>

  /// - Parameter count: How many of the calls are answered.
  init(number: Int, count: Int) {
    self.number = number
    state = NIOLockedValueBox((Array(repeating: [], count: count), count))
  }

  /// Adds an answer. Returns the line for all of them with the last one, and by how many bytes more or fewer answers
  /// are held then.
  func put(_ bytes: [UInt8], at index: Int) -> (line: [UInt8]?, change: Int) {
    let parts: [[UInt8]]? = state.withLockedValue { state in
      state.parts[index] = bytes
      state.missing -= 1
      guard state.missing == 0 else { return nil }
      defer { state.parts = [] }
      return state.parts
    }
    guard let parts else { return (nil, bytes.count) }
    let length = parts.reduce(0) { $0 + $1.count }
    var line: [UInt8] = []
    line.reserveCapacity(length + parts.count + 2)
    line.append(UInt8(ascii: "["))
    for (index, part) in parts.enumerated() {
      if index > 0 { line.append(UInt8(ascii: ",")) }
      line.append(contentsOf: part)
    }
    line.append(UInt8(ascii: "]"))
    line.append(UInt8(ascii: "\n"))
    return (line, bytes.count - length)
  }
}
