import CanonicalJSON
import DaybookClient
import EventLog
import Foundation
import NIOCore
import ServerTestKit
import TestBasics
import Testing

@testable import Server

@Suite(.timeLimit(.minutes(2))) struct ListenerTests {
  /// A self-signed certificate for localhost and 127.0.0.1, good until 2126, and its key; used by these tests only.
  private static let certificate = """
    -----BEGIN CERTIFICATE-----
    MIIBmjCCAUGgAwIBAgIUTgmp37AgMrkPNw/9QbLCMd4JEO8wCgYIKoZIzj0EAwIw
    FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA4MzE1MloYDzIxMjYxMDI4
    MDgzMTUyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
    PQMBBwNCAATled9MNFto9hLbtNHDJg0Ya19xjpoATHUJdtueFGw6HCYhlJO8V2j0
    YlIDINtI4mJWeKtZKQPuB2jYkPU6OMpYo28wbTAdBgNVHQ4EFgQUFD3hzGzjBnIq
    0VnTRQ+31vSSvQAwHwYDVR0jBBgwFoAUFD3hzGzjBnIq0VnTRQ+31vSSvQAwDwYD
    VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
    zj0EAwIDRwAwRAIgF9DKS+535JGxSXFeoZb2s1I/FxUmMkQpB6G2lQqTMiYCIEDW
    jwuoNRZHfj1AC1pNz2cF7sbRjw/czqN3zpzkoiTL
    -----END CERTIFICATE-----

    """
  private static let key = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJPwvX26mlmzpmyZP
    YgIPlaWO/i+CN3KY7qZSKJRI9b+hRANCAATled9MNFto9hLbtNHDJg0Ya19xjpoA
    THUJdtueFGw6HCYhlJO8V2j0YlIDINtI4mJWeKtZKQPuB2jYkPU6OMpY
    -----END PRIVATE KEY-----

    """

  private func withFolder(_ body: (String) async throws -> Void) async throws {
    try await TemporaryFolder.with { try await body($0.path) }
  }

  @Test func `TLS is spoken where a certificate is given, and a client that doesn't trust it goes no further`()
    async throws
  {
    try await withFolder { folder in
      try Self.certificate.write(toFile: folder + "/cert.pem", atomically: true, encoding: .utf8)
      try Self.key.write(toFile: folder + "/key.pem", atomically: true, encoding: .utf8)
      let test = try await TestServer.start(folder: folder) {
        $0.tls = .init(certificate: folder + "/cert.pem", key: folder + "/key.pem")
      }
      let organization = try await test.organization("acme")
      let key = try await test.apiKey(organization, ["*": ["read"]])
      let endpoint = try test.endpoint("tls")
      let client = try await DaybookClient.connect(to: endpoint, certificateAuthorities: folder + "/cert.pem")
      _ = try await client.call("session.open", ["api_key": .string(key.key)])
      #expect(try await client.call("organization.get", ["id": .string(organization)])["item"]?["slug"] == "acme")
      await #expect(throws: ClientError.self) { _ = try await DaybookClient.connect(to: endpoint) }
      // Plain text on the TLS port is no way in either.
      let plain = try await test.raw("tls")
      try await plain.send(#"{"jsonrpc":"2.0","id":1,"method":"server.ping"}"# + "\n")
      #expect(try await plain.rest().isEmpty)
      try await client.close()
      try await test.stop()
    }
  }

  @Test func `beyond loopback there is no listening without TLS, unless that is said`() async throws {
    try await withFolder { folder in
      await #expect(throws: ServerStartError.self) {
        _ = try await TestServer.start(folder: folder) { $0.listen = ("0.0.0.0", 0) }
      }
      let test = try await TestServer.start(folder: folder) {
        $0.listen = ("0.0.0.0", 0)
        $0.isInsecure = true
      }
      try await test.stop()
    }
  }

  @Test func `the socket is its owner's alone; a dead server's is replaced, a living one's and other files are not`()
    async throws
  {
    try await withFolder { folder in
      let path = folder + "/s.sock"
      let test = try await TestServer.start(folder: folder) { $0.socketPath = path }
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      #expect(throws: ServerStartError.self) { try UnixSocket(path: path, isShared: false) }
      try await test.stop()
      #expect(!FileManager.default.fileExists(atPath: path))
      // What a killed server leaves: a socket that nobody listens on.
      let dead = try UnixSocket(path: path, isShared: false)
      dead.closeDescriptor()
      #expect(FileManager.default.fileExists(atPath: path))
      let again = try await TestServer.start(folder: folder) { $0.socketPath = path }
      try await again.stop()
      try "text".write(toFile: path, atomically: true, encoding: .utf8)
      #expect(throws: ServerStartError.self) { try UnixSocket(path: path, isShared: false) }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "text")
      let long = folder + "/" + String(repeating: "x", count: 108)
      #expect(throws: ServerStartError.self) { try UnixSocket(path: long, isShared: false) }
    }
  }

  @Test func `a second server on a folder is refused, and told who holds it; after a stop the folder opens again`()
    async throws
  {
    try await withFolder { folder in
      let test = try await TestServer.start(folder: folder)
      do {
        _ = try await TestServer.start(folder: folder)
        Issue.record("two servers on one folder")
      } catch let error as EventLogError {
        #expect(error.code == .locked && error.message.contains("process"))
      }
      _ = try await test.organization("acme")
      let position = test.server.services.log.head.position
      try await test.stop()
      let again = try await TestServer.start(folder: folder)
      #expect(again.server.services.log.head.position == position, "nothing is recorded by a start on the same catalog")
      try await again.stop()
    }
  }

  @Test func `one connection too many is told so, and the others go on`() async throws {
    try await TestServer.run {
      $0.maximumConnections = 2
    } _: { test in
      let first = try await test.administrator()
      _ = try await first.call("server.ping")
      let second = try await test.administrator()
      _ = try await second.call("server.ping")
      let third = try await test.raw()
      let lines = try await third.rest()
      #expect(lines.count == 1 && lines.first?.errorType == "overloaded")
      _ = try await first.call("server.ping")
      try await first.close()
      try await second.close()
    }
  }

  @Test func `who connects over TCP and says nothing is let go`() async throws {
    try await TestServer.run {
      $0.signInTimeout = .milliseconds(50)
    } _: { test in
      let stranger = try await test.raw("tcp")
      #expect(try await stranger.rest().isEmpty)
      // The administrator's own socket has no such limit.
      let client = try await test.administrator()
      _ = try await client.call("server.ping")
      try await client.close()
    }
  }

  @Test func `a signal that comes right behind the ready line stops the server in order`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      try await TemporaryFolder.with { folder in
        let configuration = try TestServer.configuration(folder: folder.path) {
          $0.announce = { _ in kill(getpid(), SIGTERM) }
        }
        try await DaybookServer.start(configuration, signals: DaybookServer.stopSignals).run()
      }
      exit(7)
    }
  }

  @Test func `the ready line tells where, as text or as JSON`() async throws {
    for format in ServerConfiguration.LogFormat.allCases {
      let (lines, told) = AsyncStream.makeStream(of: String.self)
      try await TestServer.run {
        $0.logFormat = format
        $0.announce = { told.yield($0) }
      } _: { test in
        var iterator = lines.makeAsyncIterator()
        let line = try #require(await iterator.next())
        switch format {
        case .text:
          #expect(line.hasPrefix("daybook ready on unix:"))
          #expect(test.server.addresses.allSatisfy { line.contains($0) } && !line.contains("\n"))
        case .json:
          let json = try JSON.parse(line)
          #expect(json["event"] == "ready")
          #expect(json["addresses"] == .array(test.server.addresses.map(JSON.string)))
        }
      }
    }
  }

  @Test func `the environment's database settings are understood, and only PostgreSQL is`() throws {
    let settings = try PostgresSettings.from(environment: [
      "DATABASE_URL": "postgresql://u@h/d", "DB_POOL_SIZE": "7", "DB_MAX_OVERFLOW": "0", "DB_POOL_TIMEOUT": "3",
    ])
    #expect(
      settings == PostgresSettings(url: "postgresql://u@h/d", poolSize: 7, maximumOverflow: 0, poolTimeoutSeconds: 3))
    #expect(try PostgresSettings.from(environment: [:]) == nil)
    #expect(
      try PostgresSettings.from(environment: ["DATABASE_URL": "postgresql://a/b"], url: "postgresql://c/d")?.url
        == "postgresql://c/d")
    #expect(throws: ServerStartError.self) { try PostgresSettings.from(environment: ["DATABASE_URL": "mysql://x/y"]) }
    #expect(throws: ServerStartError.self) {
      try PostgresSettings.from(environment: ["DATABASE_URL": "postgresql://x/y", "DB_POOL_SIZE": "many"])
    }
  }

  @Test func `endpoints are read and written in one form`() throws {
    for text in ["unix:/a/b.sock", "tcp:localhost:7717", "tls:example.org:1", "tcp:[::1]:7717"] {
      #expect(try Endpoint.parse(text).description == text)
    }
    for text in ["", "unix:", "tcp:", "tcp:host", "tcp:host:0", "tcp:host:99999", "tcp:::1:5", "http://x", "tls::5"] {
      #expect(throws: ClientError.self) { try Endpoint.parse(text) }
    }
  }
}
