import CanonicalJSON
import DaybookClient
import Foundation
import Refusals
import ServerTestKit
import TestBasics
import Testing

@testable import Server

/// Whoever administers the service from elsewhere is no administrator of its machine.
@Suite(.timeLimit(.minutes(2))) struct HostTests {
  /// A client on TCP who administers the service.
  private func remote(_ test: TestServer) async throws -> DaybookClient {
    let local = try await test.administrator()
    let password = "correct horse battery staple"
    _ = try await local.call(
      "user.create", ["email": "root@example.org", "role": "admin", "password": .string(password)])
    try await local.close()
    let client = try await DaybookClient.connect(to: test.endpoint("tcp"))
    let session = try await client.call(
      "session.open", ["email": "root@example.org", "password": .string(password)])
    try #require(session["principal"]?["is_administrator"] == true, "\(session.canonicalString)")
    return client
  }

  private func refusal(_ client: DaybookClient, _ params: JSONObject) async throws -> ReceivedRefusal {
    let error = await #expect(throws: ClientError.self) { try await client.call("log.backup", params) }
    return try #require(error?.refusal)
  }

  @Test func `over TCP a backup is written below the folder that was given for it, and nowhere else`() async throws {
    try await TemporaryFolder.with { folder in
      let base = folder.path + "/backups"
      for path in [base, base + "/weekly", folder.path + "/elsewhere"] {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      }
      try FileManager.default.createSymbolicLink(
        atPath: base + "/link", withDestinationPath: folder.path + "/elsewhere")
      try await TestServer.run({ $0.backupFolder = base }) { test in
        let client = try await remote(test)
        for path in [
          folder.path + "/elsewhere/b", base, base + "/", base + "/../elsewhere/b", base + "/weekly/..",
          base + "/link", base + "/link/b", base + "/missing/b", base + "-other/b", "/",
        ] {
          #expect(try await refusal(client, ["folder": .string(path)]).code == .invalidParams, "\(path)")
          let keys = try await refusal(
            client, ["folder": .string(base + "/never"), "keys_file": .string(path)])
          #expect(keys.code == .invalidParams, "\(path)")
        }
        #expect(!FileManager.default.fileExists(atPath: base + "/never"))
        let made = try await client.call(
          "log.backup", ["folder": .string(base + "/weekly/1"), "keys_file": .string(base + "/weekly/1.keys")])
        #expect(made["position"]?.integerValue ?? 0 > 0)
        #expect(FileManager.default.fileExists(atPath: base + "/weekly/1.keys"))
        try await client.close()
      }
    }
  }

  @Test func `without such a folder only the Unix socket has backups made, anywhere`() async throws {
    try await TemporaryFolder.with { folder in
      try await TestServer.run { test in
        let client = try await remote(test)
        #expect(try await refusal(client, ["folder": .string(folder.path + "/b")]).code == .forbidden)
        try await client.close()
        let local = try await test.administrator()
        _ = try await local.call("log.backup", ["folder": .string(folder.path + "/b")])
        #expect(FileManager.default.fileExists(atPath: folder.path + "/b/manifest.json"))
        try await local.close()
      }
    }
  }

  @Test func `the password of PostgreSQL is told to nobody from elsewhere`() async throws {
    let url = "postgresql://me:se:cr@t@127.0.0.1:1/none?connect_timeout=1&password=other"
    let change = { (configuration: inout ServerConfiguration) in configuration.postgres = PostgresSettings(url: url) }
    try await TestServer.run(change) { test in
      let client = try await remote(test)
      let status = try await client.call("server.status")
      #expect(status["postgres"]?["url"] == "postgresql://me@127.0.0.1:1/none?connect_timeout=1")
      try await client.close()
      let local = try await test.administrator()
      #expect(try await local.call("server.status")["postgres"]?["url"] == .string(url))
      try await local.close()
    }
    for (url, shown) in [
      ("postgresql://a@b/c", "postgresql://a@b/c"), ("postgresql://b:5432/c", "postgresql://b:5432/c"),
      ("postgresql:///c?host=/tmp&sslpassword=x", "postgresql:///c?host=/tmp"),
    ] {
      #expect(PostgresSettings.withoutPassword(url) == shown)
    }
  }
}
