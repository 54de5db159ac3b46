import CanonicalJSON
import DaybookTestKit
import Foundation
import TestBasics
import Testing

/// Following the log while servers come and go.
@Suite(.serialized) struct TailTests {
  @Test(.timeLimit(.minutes(3)))
  func `tail goes on where it was when a server comes back, without loss or repetition`() async throws {
    try await withDesk { desk in
      let url = try await ThrowawayPostgres.database()
      let server = DaybookProcess(
        folder: desk.directory, listen: "none", arguments: ["--postgres", url, "--log-level", "error"])
      try await server.start()
      let output = desk.folder + "/tail.jsonl"
      let tail = try SpawnedProcess(
        [try Programs.built("daybook"), "tail", "--from", "1", "--json"], outputFile: output,
        errorFile: desk.folder + "/tail-errors", environment: ["DAYBOOK_DATA": desk.data])
      try desk.directory.note(tail.pid)
      func positions() throws -> [Int64] {
        // The last line may be on its way.
        let text = TestFiles.text(output)
        let whole = text[..<(text.lastIndex(of: "\n") ?? text.startIndex)]
        return try whole.split(separator: "\n").map { line in
          try #require(try JSON.parse(String(line))["header"]?["position"]?.integerValue)
        }
      }
      func reachesHead() async throws {
        let head = try #require(try await desk.call("log.head")["position"]?.integerValue)
        _ = try await eventually("the tail is at \(head)", within: .seconds(60)) {
          try positions().last.map { $0 >= head } == true ? true : nil
        }
      }
      for round in 0..<3 {
        _ = try await desk.call(
          "organization.create", ["name": "Acme", "slug": .string("acme-\(round)")])
        try await reachesHead()
        // By a stop in order, and by none.
        if round == 0 { #expect(try await server.terminate() == .code(0)) } else { try await server.kill() }
        try await server.start()
      }
      _ = try await desk.call("organization.create", ["name": "Acme", "slug": "acme-last"])
      try await reachesHead()
      let seen = try positions()
      #expect(seen == Array(1...Int64(seen.count)), "each once, in order, none left out")
      #expect(tail.status == nil, "it still follows")
      tail.send(SIGTERM)
      _ = try await tail.wait(within: .seconds(20))
      let told = TestFiles.text(desk.folder + "/tail-errors")
      #expect(told.contains("the server has gone away; going on behind position"), "\(told)")
      #expect(told.contains("the server is back."))
      #expect(try await server.terminate() == .code(0))
    }
  }

  @Test func `tail says at once where no server is, or it may not follow`() async throws {
    try await withDesk { desk in
      let none = try await desk.daybook("tail")
      #expect(none.status == .code(69) && none.errors.contains("there is no such socket"), "\(none.errors)")
    }
  }
}
