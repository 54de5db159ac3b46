import NIOCore
import NIOHTTP1
import Testing

@testable import Server

struct HTTPInputTests {
  private func head(_ path: String) -> HTTPServerRequestPart {
    .head(HTTPRequestHead(version: .http1_1, method: .POST, uri: path))
  }

  private func body(_ text: String) -> HTTPServerRequestPart { .body(ByteBuffer(string: text)) }

  /// What the events are, in words.
  private func words(_ input: inout HTTPInput) -> [String] {
    var words: [String] = []
    while let event = input.next() {
      switch event {
      case .head(let head): words.append(head.uri)
      case .body(let body): words.append("body \(String(buffer: body))")
      case .tooLong: words.append("too long")
      case .malformed(let sentence): words.append("malformed \(sentence)")
      }
    }
    return words
  }

  @Test func `requests are told one after the other, each with its whole body`() {
    var input = HTTPInput()
    input.maximumBody = 10
    let parts = [head("/a"), body("ab"), body("cd"), .end(nil), head("/b"), .end(nil), head("/c")]
    for part in parts { input.append(part) }
    #expect(input.hasMore)
    #expect(words(&input) == ["/a", "body abcd", "/b", "body ", "/c"])
    #expect(!input.hasMore)
    input.append(body("e"))
    #expect(words(&input).isEmpty)
    input.append(.end(nil))
    #expect(words(&input) == ["body e"])
  }

  @Test func `a body over the limit is told once, and nothing after it`() {
    var input = HTTPInput()
    input.maximumBody = 3
    for part in [head("/a"), body("abc"), body("d"), .end(nil), head("/b"), .end(nil)] { input.append(part) }
    #expect(words(&input) == ["/a", "too long"])
    input.append(head("/c"))
    #expect(words(&input).isEmpty && !input.hasMore)
  }

  @Test func `a body that isn't wanted is read past`() {
    var input = HTTPInput()
    input.maximumBody = 100
    for part in [head("/a"), body("abc")] { input.append(part) }
    guard case .head? = input.next() else {
      Issue.record("there is no head")
      return
    }
    input.skipBody()
    for part in [body("d"), .end(nil), head("/b"), .end(nil)] { input.append(part) }
    #expect(words(&input) == ["/b", "body "])
  }

  @Test func `what came before no HTTP is still told, and so many requests may wait`() {
    var input = HTTPInput()
    input.append(head("/a"))
    input.append(.end(nil))
    input.fail("bad")
    input.fail("worse")
    input.append(head("/b"))
    #expect(words(&input) == ["/a", "body ", "malformed bad"])
    var many = HTTPInput()
    for _ in 0...HTTPInput.maximumWaiting {
      many.append(head("/"))
      many.append(.end(nil))
    }
    let told = words(&many)
    #expect(told.count == 2 * HTTPInput.maximumWaiting + 1 && told.last?.hasPrefix("malformed") == true)
  }
}
