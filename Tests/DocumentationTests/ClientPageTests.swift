import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// The page on the client library: its example is a file of these tests.
@Suite struct ClientPageTests {
  @Test func `the page shows the example as it is compiled`() throws {
    let page = Page.named("Client")
    let block = try #require(page.blocks.first { $0.info == "swift Tests/DocumentationTests/ClientExample.swift" })
    let file = TestFiles.text(Repository.root + "/Tests/DocumentationTests/ClientExample.swift")
    #expect(block.text + "\n" == file)
  }

  @Test(.needsPrograms) func `the example runs against a real server`() async throws {
    try await PageServer.with { server in
      let before = try await changeAPipeline(at: server.server.unixAddress)
      #expect(before["version"] == 1)
      #expect(before["item"]?["config"] == ["retries": 1])
    }
  }
}
