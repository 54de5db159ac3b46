import CanonicalJSON
import NIOCore
import Protocol
import Refusals
import Testing

/// What a client sends.
@Suite struct ClientMessageTests {
  private func parse(_ line: String) -> ClientMessage {
    ClientMessage(line: ByteBuffer(string: line))
  }

  /// The id and the error type under which a line is refused; nil where it isn't.
  private func refusal(_ line: String) -> (id: RequestID?, code: Refusal.Code)? {
    guard case .single(.refused(let id, let error)) = parse(line) else { return nil }
    return (id, error.code)
  }

  @Test func `a call has its id, method and params`() throws {
    let message = parse(#"{"jsonrpc":"2.0","id":7,"method":"pipeline.get","params":{"id":"x"}}"#)
    #expect(message == .single(.request(Request(id: RequestID(7), method: "pipeline.get", params: ["id": "x"]))))
  }

  @Test(arguments: [#""a""#, #""""#, "0", "-1", "1.5", "null", "12345678901234567890"])
  func `the id may be a string, any number, zero, or null, and is sent back as it came`(_ text: String) throws {
    let message = parse(#"{"jsonrpc":"2.0","id":\#(text),"method":"m"}"#)
    guard case .single(.request(let request)) = message, let id = request.id else {
      Issue.record("not taken as a request")
      return
    }
    var output: [UInt8] = []
    MessageWriter.writeResult(Array("{}".utf8), id: id, into: &output)
    #expect(String(decoding: output, as: UTF8.self) == #"{"id":\#(text),"jsonrpc":"2.0","result":{}}"#)
  }

  @Test(arguments: ["true", "[]", "{}"])
  func `an id of another type is an invalid request, answered under null`(_ text: String) throws {
    let refused = try #require(refusal(#"{"jsonrpc":"2.0","id":\#(text),"method":"m"}"#))
    #expect(refused.id == .null && refused.code == .invalidRequest)
  }

  @Test func `without an id it is a notification; with the id null it is not`() {
    #expect(parse(#"{"jsonrpc":"2.0","method":"m"}"#) == .single(.request(Request(id: nil, method: "m", params: [:]))))
    #expect(
      parse(#"{"jsonrpc":"2.0","id":null,"method":"m"}"#)
        == .single(.request(Request(id: .null, method: "m", params: [:]))))
  }

  @Test func `params are by name; absent and empty ones are the same`() throws {
    let empty = ClientMessage.single(.request(Request(id: RequestID(1), method: "m", params: [:])))
    #expect(parse(#"{"jsonrpc":"2.0","id":1,"method":"m"}"#) == empty)
    #expect(parse(#"{"jsonrpc":"2.0","id":1,"method":"m","params":{}}"#) == empty)
    #expect(parse(#"{"jsonrpc":"2.0","id":1,"method":"m","params":[]}"#) == empty)
    for text in ["[1]", "1", #""a""#, "null", "true"] {
      let refused = try #require(refusal(#"{"jsonrpc":"2.0","id":1,"method":"m","params":\#(text)}"#))
      #expect(refused.id == RequestID(1) && refused.code == .invalidParams)
      let silent = try #require(refusal(#"{"jsonrpc":"2.0","method":"m","params":\#(text)}"#))
      #expect(silent.id == nil, "a notification is never answered")
    }
  }

  @Test func `what isn't a request is refused under its id where that can be made out`() throws {
    let cases: [(String, RequestID)] = [
      (#"{"id":1,"method":"m"}"#, RequestID(1)),
      (#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, RequestID(1)),
      (#"{"jsonrpc":2.0,"id":1,"method":"m"}"#, RequestID(1)),
      (#"{"jsonrpc":"2.0","id":1}"#, RequestID(1)),
      (#"{"jsonrpc":"2.0","id":1,"method":5}"#, RequestID(1)),
      (#"{"jsonrpc":"2.0","method":5}"#, .null),
      (#"{"jsonrpc":"2.0","id":1,"method":"m","method":"n"}"#, RequestID(1)),
      (#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1,"a":2}}"#, RequestID(1)),
      ("1", .null), (#""text""#, .null), ("null", .null), ("{}", .null), ("[]", .null),
    ]
    for (line, id) in cases {
      let refused = try #require(refusal(line), "\(line)")
      #expect(refused.id == id && refused.code == .invalidRequest, "\(line)")
    }
  }

  @Test func `what isn't JSON is a parse error under null, and nothing of it is quoted`() throws {
    for line in [#"{"jsonrpc":"2.0","#, "secret", #"{"a":}"#, "[1,2", "\u{FEFF}{}", #"{"a":"\ud800"}"#] {
      let refused = try #require(refusal(line), "\(line)")
      #expect(refused.id == .null && refused.code == .parseError, "\(line)")
    }
    guard case .single(.refused(_, let error)) = parse("secret") else {
      Issue.record("taken")
      return
    }
    #expect(!error.json.canonicalString.contains("secret"))
    let message = ClientMessage(line: ByteBuffer(bytes: [0x22, 0xC3, 0x28, 0x22]))
    guard case .single(.refused(.null?, let encoding)) = message else {
      Issue.record("invalid UTF-8 was taken")
      return
    }
    #expect(encoding.code == .parseError)
  }

  @Test func `a batch keeps its calls in order, the wrong ones as refusals`() throws {
    guard
      case .batch(let calls) = parse(
        #"[{"jsonrpc":"2.0","id":1,"method":"a"},1,{"jsonrpc":"2.0","method":"b"},[],{"jsonrpc":"2.0","id":"x"}]"#)
    else {
      Issue.record("not a batch")
      return
    }
    try #require(calls.count == 5)
    #expect(calls[0] == .request(Request(id: RequestID(1), method: "a", params: [:])))
    #expect(calls[2] == .request(Request(id: nil, method: "b", params: [:])))
    for (index, id) in [(1, RequestID.null), (3, RequestID.null), (4, try #require(RequestID("x")))] {
      guard case .refused(let given, let error) = calls[index] else {
        Issue.record("call \(index) was taken")
        continue
      }
      #expect(given == id && error.code == .invalidRequest)
    }
  }

  @Test func `a batch of too many calls is refused as a whole`() throws {
    let fits = "[" + Array(repeating: "1", count: ClientMessage.maximumBatch).joined(separator: ",") + "]"
    guard case .batch(let calls) = parse(fits) else {
      Issue.record("refused")
      return
    }
    #expect(calls.count == ClientMessage.maximumBatch)
    let refused = try #require(refusal(String(fits.dropLast()) + ",1]"))
    #expect(refused.id == .null && refused.code == .tooLarge)
  }
}
