import CanonicalJSON
import NIOCore
import Protocol
import Refusals
import Testing

/// What goes over the wire.
@Suite struct MessageWriterTests {
  private func text(_ write: (inout [UInt8]) -> Void) -> String {
    var output: [UInt8] = []
    write(&output)
    return String(decoding: output, as: UTF8.self)
  }

  @Test func `answers are canonical JSON, and results are put in as they are`() throws {
    let line = text { MessageWriter.writeResult(Array(#"{"b":1,"a":2}"#.utf8), id: RequestID(0), into: &$0) }
    #expect(line == #"{"id":0,"jsonrpc":"2.0","result":{"b":1,"a":2}}"#)
    let escaped = try #require(RequestID("a\"\n"))
    #expect(
      text { MessageWriter.writeResult(Array("[]".utf8), id: escaped, into: &$0) }
        == #"{"id":"a\"\n","jsonrpc":"2.0","result":[]}"#)
  }

  @Test func `an error carries its type in data`() {
    let error = Refusal(.notFound, "No.", ["id": "x", "resource_type": "run"])
    #expect(
      text { MessageWriter.writeError(error, id: .null, into: &$0) }
        == #"{"error":{"code":-32004,"data":{"id":"x","resource_type":"run","type":"not_found"},"message":"No."},"#
        + #""id":null,"jsonrpc":"2.0"}"#)
    #expect(ReceivedRefusal(error.json)?.code == .notFound)
  }

  @Test func `notifications have a method and params and no id`() {
    #expect(
      text { MessageWriter.writeNotification(method: "log.event", params: Array(#"{"a":1}"#.utf8), into: &$0) }
        == #"{"jsonrpc":"2.0","method":"log.event","params":{"a":1}}"#)
  }

  @Test func `what one end writes the other end reads`() throws {
    for request in [
      Request(id: RequestID(5), method: "run.get", params: ["id": "x", "ü": [1, 2.5]]),
      Request(id: nil, method: "a\"b", params: [:]),
    ] {
      let line = text { MessageWriter.writeRequest(request, into: &$0) }
      #expect(ClientMessage(line: ByteBuffer(string: line)) == .single(.request(request)))
    }
    let answer = text { MessageWriter.writeResult(Array(#"{"x":null}"#.utf8), id: RequestID(9), into: &$0) }
    guard case .response(let response) = try ServerMessage(line: ByteBuffer(string: answer)) else {
      Issue.record("not an answer")
      return
    }
    #expect(response.id == RequestID(9))
    #expect(try response.outcome.get() == ["x": nil])
    let notice = text { MessageWriter.writeNotification(method: "n", params: Array(#"{"a":1}"#.utf8), into: &$0) }
    guard case .notification("n", let params) = try ServerMessage(line: ByteBuffer(string: notice)) else {
      Issue.record("not a notification")
      return
    }
    #expect(params == ["a": 1])
    guard case .batch(let all) = try ServerMessage(line: ByteBuffer(string: "[\(answer),\(answer)]")) else {
      Issue.record("not a batch")
      return
    }
    #expect(all.count == 2)
    for line in ["{}", "1", "[1]", #"{"id":1}"#, "nonsense"] {
      #expect(throws: Refusal.self) { try ServerMessage(line: ByteBuffer(string: line)) }
    }
  }
}
