import CanonicalJSON
import NIOCore
import Protocol
import Testing

/// Finding a call's method without taking it apart.
@Suite struct LineScanTests {
  private func scan(_ line: String) -> LineScan? { LineScan(ByteBuffer(string: line)) }

  @Test(arguments: [
    #"{"id":1,"jsonrpc":"2.0","method":"a.b","params":{}}"#,
    #" { "params" : { "method" : "x" , "y" : [ "]" , { "z" : "\\\"}" } ] } , "method" : "a.b" , "id" : 1 } "#,
    #"{"params":[[],{},"\\",-1.5e3,true,null],"method":"a.b","other":{"id":2},"id":1}"#,
    #"{"method":"a.b","id":1,"params":{"text":"{[\"method\":\"c\""}}"#,
    #"{"jsonrpc":"2.0","method":"a\u002eb","id":1}"#,
  ])
  func `the method and the id of a call are found wherever they stand`(_ line: String) throws {
    let found = try #require(scan(line))
    #expect(found.method == "a.b" && found.id == RequestID(1))
    // Where it is a call at all, it is that call.
    if case .single(.request(let request)) = ClientMessage(line: ByteBuffer(string: line)) {
      #expect(found.method == request.method && found.id == request.id)
    }
  }

  @Test func `a notification has no id`() {
    #expect(scan(#"{"method":"a.b","params":{}}"#)?.method == "a.b")
    #expect(scan(#"{"method":"a.b","params":{}}"#)?.id == nil)
  }

  @Test(arguments: [
    "", "{", "[]", #"[{"method":"a"}]"#, #""method""#, #"{"method":1}"#, #"{"method":"a""#, #"{"method":"a","#,
    #"{"method":"a","method":"b"}"#, #"{"id":1,"id":2,"method":"a"}"#, #"{"id":[],"method":"a"}"#, #"{"a":"\"#,
    #"{"a":"\","b"#, #"{"a":{"b":[}"#, #"{"\u0069d":1,"method":"a"}"#, #"{"m\u0065thod":"a","id":1}"#, #"{"a"}"#,
    #"{"a":}"#, #"{"a":1"#, #"{method:"a"}"#,
  ])
  func `what is no call, or ends too early, has no scan`(_ line: String) {
    #expect(scan(line) == nil)
  }
}
