import CanonicalJSON
import Foundation
import Glibc
import TestBasics
import Testing

/// The protocol page: its examples are sent to a real server, its tables are compared with `rpc.discover`.
@Suite(.needsPrograms) struct ProtocolPageTests {
  private let page = Page.named("Protocol")

  @Test func `every line of JSON on the pages is JSON`() throws {
    for page in Page.all {
      for block in page.blocks where block.info.hasPrefix("json") {
        for line in block.lines {
          #expect(throws: Never.self, "\(page.path):\(block.line): \(line)") { try JSON.parse(Array(line.utf8)) }
        }
      }
    }
  }

  @Test func `every request is answered as the page says`() async throws {
    let requests = page.blocks("json send")
    try #require(requests.count > 3)
    try await PageServer.with { server in
      let socket = try LineSocket(path: server.server.data + "/daybook.sock")
      defer { socket.close() }
      for block in requests {
        let place = try #require(page.blocks.firstIndex { $0.line == block.line })
        let expected = try #require(place + 1 < page.blocks.count ? page.blocks[place + 1] : nil)
        try #require(expected.info == "json answer", "\(page.path):\(block.line) has no answer")
        try #require(expected.lines.count == block.lines.count)
        for (request, answer) in zip(block.lines, expected.lines) {
          let received = try await blocking { try socket.ask(request) }
          let difference = Self.difference(try JSON.parse(Array(answer.utf8)), try JSON.parse(Array(received.utf8)))
          #expect(
            difference == nil, "\(page.path):\(expected.line): \(request)\n\(difference ?? "")\nanswered \(received)")
        }
      }
    }
  }

  @Test func `methods and parameters of the examples are in rpc discover, and the table of commands is complete`()
    async throws
  {
    let methods = try await Self.methods()
    for block in page.blocks("json send") {
      for line in block.lines {
        let request = try JSON.parse(Array(line.utf8))
        let name = try #require(request["method"]?.stringValue)
        // One example is of a method that isn't there.
        guard name != "pipeline.creat" else { continue }
        let known = try #require(methods[name], "there is no method \(name)")
        for key in (request["params"]?.objectValue ?? [:]).keys where name != "pipeline.create" || key != "nam" {
          #expect(known.contains(key), "\(name) has no parameter \(key)")
        }
      }
    }
    let common: Set = ["create", "edit", "delete", "rollback", "get", "list", "history", "diff", "versions"]
    let rows = page.text.components(separatedBy: "\n## Methods by resource")[1].components(separatedBy: "\n## ")[0]
      .split(separator: "\n").filter { $0.hasPrefix("| `") }.map { $0.split(separator: "|").map(String.init) }
    try #require(rows.count > 10)
    var listed: Set<String> = []
    for row in rows {
      let types = Self.spans(row[0])
      for verb in Self.spans(row[1]).map({ String($0.prefix { $0 != " " }) }) where !common.contains(verb) {
        let found = types.filter { methods["\($0).\(verb)"] != nil }
        #expect(!found.isEmpty, "none of \(types) has \(verb)")
        listed.formUnion(found.map { "\($0).\(verb)" })
      }
    }
    let types = Set(rows.flatMap { Self.spans($0[0]) })
    let queries: Set = ["next_runs", "logs", "metrics", "previews"]
    for name in methods.keys {
      let parts = name.split(separator: ".").map(String.init)
      // The server's own methods about read models stand below the table.
      guard types.contains(parts[0]), parts[0] != "projection" || parts[1] == "skip" else { continue }
      guard !common.contains(parts[1]), !queries.contains(parts[1]) else { continue }
      #expect(listed.contains(name), "the table leaves \(name) out")
    }
  }

  /// Every method of a server, with the names of its parameters.
  private static func methods() async throws -> [String: Set<String>] {
    try await PageServer.with { server in
      let document = try await server.server.run(["call", "rpc.discover"]).json()
      var methods: [String: Set<String>] = [:]
      for method in document["methods"]?.arrayValue ?? [] {
        guard let name = method["name"]?.stringValue else { continue }
        methods[name] = Set((method["params"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue })
      }
      return methods
    }
  }

  /// What stands between backquotes.
  private static func spans(_ cell: String) -> [String] {
    cell.components(separatedBy: "`").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
  }

  /// Where an answer isn't as the page says; nil where it is. The page may leave
  /// members out, and says `…` for any text.
  private static func difference(_ expected: JSON, _ received: JSON?, path: String = "") -> String? {
    guard let received else { return "\(path) is missing" }
    switch expected {
    case .string(let text) where text.contains("…"):
      return received.stringValue.map(Pattern(text).matches) == true ? nil : "\(path) is no text as \(text)"
    case .object(let members):
      for (key, value) in members {
        if let found = difference(value, received[key], path: "\(path)/\(key)") { return found }
      }
      return received.objectValue == nil ? "\(path) is no object" : nil
    case .array(let elements):
      guard let others = received.arrayValue, others.count == elements.count else {
        return "\(path) has another length"
      }
      for (index, element) in elements.enumerated() {
        if let found = difference(element, others[index], path: "\(path)/\(index)") { return found }
      }
      return nil
    default: return expected == received ? nil : "\(path) is \(received), not \(expected)"
    }
  }
}

/// A Unix socket for lines: what any program can do.
final class LineSocket: Sendable {
  private let descriptor: Int32

  init(path: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw HarnessError.call("socket") }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard code == 0 else { throw HarnessError.call("connect \(path)") }
    // A server that doesn't answer fails the test instead of holding it up.
    var patience = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  }

  /// Sends a line and returns the next one.
  func ask(_ line: String) throws -> String {
    let bytes = Array(line.utf8) + [0x0A]
    guard write(descriptor, bytes, bytes.count) == bytes.count else { throw HarnessError.call("write") }
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while answer.last != 0x0A {
      let count = read(descriptor, &chunk, chunk.count)
      guard count > 0 else { throw HarnessError("no answer to \(line)") }
      answer.append(contentsOf: chunk[..<count])
    }
    return String(decoding: answer.dropLast(), as: UTF8.self)
  }

  func close() { _ = Glibc.close(descriptor) }
}
