import CanonicalJSON
import NIOCore
import Protocol
import Refusals

/// What must hold of every line that a client or a server sends.
enum RequestPromises {
  static let target = FuzzTarget(
    .requests,
    seeds: [
      #"{"id":1,"jsonrpc":"2.0","method":"pipeline.create","params":{"name":"x","organization_id":null}}"#,
      #" { "params" : { "method" : "x" , "y" : [ "]" , { "z" : "\\\"}" } ] } , "method" : "a.b", "jsonrpc":"2.0"}"#,
      #"[{"jsonrpc":"2.0","method":"server.ping","id":"a"},{"jsonrpc":"2.0","method":"log.read","params":[],"id":1.5}]"#,
      #"{"jsonrpc":"2.0","method":"rpc.discover","id":-123456789012345678901234567890,"more":{"id":2}}"#,
      #"{"id":1,"jsonrpc":"2.0","result":{"id":"0192aaaa-0000-7000-8000-000000000001","version":1}}"#,
      #"{"error":{"code":-32602,"data":{"type":"invalid_params"},"message":"No."},"id":null,"jsonrpc":"2.0"}"#,
      #"{"jsonrpc":"2.0","method":"log.event","params":{"position":7}}"#,
    ].map { Array($0.utf8) },
    words: [
      "\"jsonrpc\":\"2.0\"", "\"method\":", "\"id\":", "\"params\":", "\"result\":", "\"error\":", "\"code\":",
      "\"message\":", "\"data\":", "\"type\":", "null", "{}", "[]", "\\u0069d", "m\\u0065thod", "1e3", "[[", "]]", "}]",
    ],
    check: check)

  static func check(_ input: [UInt8]) throws -> Bool {
    // The framer hands on no line feed.
    let line = Array(input.prefix { $0 != UInt8(ascii: "\n") })
    let buffer = ByteBuffer(bytes: line)
    let scan = LineScan(buffer)
    let isServer = try checkServerMessage(buffer)
    switch ClientMessage(line: buffer) {
    case .single(let call):
      try checkScan(scan, of: call)
      return try check(call) || isServer
    case .batch(let calls):
      try promise(
        "a batch has calls, and not too many", !calls.isEmpty && calls.count <= ClientMessage.maximumBatch)
      try promise("a batch has no scan", scan == nil)
      return try calls.map(check).allSatisfy(\.self) || isServer
    }
  }

  /// A call is read back as it is written, and the answer to one that isn't a call is an answer.
  private static func check(_ call: Call) throws -> Bool {
    var line: [UInt8] = []
    switch call {
    case .request(let request):
      MessageWriter.writeRequest(request, into: &line)
      try promise(
        "a request is read back as it was written", ClientMessage(line: ByteBuffer(bytes: line)) == .single(call))
      return true
    case .refused(let id, let refusal):
      MessageWriter.writeError(refusal, id: id ?? .null, into: &line)
      guard case .response(let response)? = try? ServerMessage(line: ByteBuffer(bytes: line)),
        case .failure(let received) = response.outcome
      else { throw BrokenPromise(description: "a refusal is read back as one") }
      try promise(
        "a refusal keeps its id and code", response.id == id ?? .null && received.code == refusal.code)
      return false
    }
  }

  /// Where the method and the id are found by looking over a line, they are those of the call.
  private static func checkScan(_ scan: LineScan?, of call: Call) throws {
    guard let scan else { return }
    switch call {
    case .request(let request):
      try promise("a scan finds the method", scan.method.utf8.elementsEqual(request.method.utf8))
      try promise("a scan finds the id", scan.id == request.id)
    case .refused(let id, _):
      try promise("a refusal has the id that was found, or none", id == nil || id == .null || id == scan.id)
    }
  }

  /// What a server says is read back as it is written.
  private static func checkServerMessage(_ line: ByteBuffer) throws -> Bool {
    let message: ServerMessage
    do throws(Refusal) {
      message = try ServerMessage(line: line)
    } catch {
      return false
    }
    switch message {
    case .response(let response): try check(response)
    case .batch(let responses):
      for response in responses { try check(response) }
    case .notification(let method, let params):
      var written: [UInt8] = []
      MessageWriter.writeNotification(method: method, params: params.canonicalBytes, into: &written)
      guard case .notification(let otherMethod, let otherParams) = try ServerMessage(line: ByteBuffer(bytes: written))
      else { throw BrokenPromise(description: "a notification is read back as one") }
      try promise(
        "a notification is read back as it was written",
        method.utf8.elementsEqual(otherMethod.utf8) && params == otherParams)
    }
    return true
  }

  private static func check(_ response: Response) throws {
    var written: [UInt8] = []
    switch response.outcome {
    case .success(let result):
      MessageWriter.writeResult(result.canonicalBytes, id: response.id, into: &written)
    case .failure(let refusal):
      written =
        (["error": refusal.json, "id": response.id.value, "jsonrpc": "2.0"] as JSONObject).canonicalBytes
    }
    guard case .response(let again) = try ServerMessage(line: ByteBuffer(bytes: written)) else {
      throw BrokenPromise(description: "an answer is read back as one")
    }
    try promise(
      "an answer is read back as it was written", again.id == response.id && again.outcome == response.outcome)
  }
}
