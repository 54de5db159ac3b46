import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// `daybook login --oidc-issuer`: signing in by a browser elsewhere, at a provider of our own.
@Suite(
  .enabled(if: Validators.have("cryptography"), "PyPI's cryptography is not installed for DAYBOOK_VALIDATORS"))
struct DeviceLoginTests {
  /// A provider, and a server that takes its tokens.
  private func withProvider(
    _ body: (Desk, _ issuer: String, _ login: (_ mode: String, _ more: [String]) async throws -> ProgramResult)
      async throws -> Void
  ) async throws {
    try await withDesk { desk in
      let provider = try SpawnedProcess(
        ["/usr/bin/env", Validators.python, "\(Repository.root)/Tests/Python/device_issuer.py", desk.folder],
        outputFile: "\(desk.folder)/provider.out", errorFile: "\(desk.folder)/provider.err", inputFile: "/dev/null",
        directory: nil, environment: [:])
      try desk.directory.note(provider.pid)
      try TestFiles.write("ok".utf8, to: "\(desk.folder)/mode")
      let port = try await eventually("the provider listens", within: .seconds(60)) { () -> String? in
        let port = TestFiles.text("\(desk.folder)/port")
        return port.isEmpty ? nil : port
      }
      let issuer = "http://127.0.0.1:\(port)/realm"
      try await closing(
        {
          try await desk.withServer(
            listen: "127.0.0.1:0",
            [
              "--oidc-jwks", "\(desk.folder)/jwks", "--oidc-issuer", issuer, "--oidc-audience", "daybook",
              "--oidc-organization", "acme",
            ]
          ) {
            try await desk.call("organization.create", ["name": "Acme", "slug": "acme"])
            let address = "tcp:127.0.0.1:\(try await desk.port())"
            try await body(desk, issuer) { mode, more in
              try TestFiles.write(mode.utf8, to: "\(desk.folder)/mode")
              return try await desk.run(
                ["login", "--connect", address] + (more.isEmpty ? ["--oidc-issuer", issuer] : more),
                environment: Self.home(desk))
            }
          }
        }, { provider.send(SIGKILL) })
    }
  }

  private static func home(_ desk: Desk) -> [String: String] {
    ["HOME": "\(desk.folder)/home", "DAYBOOK_DATA": "", "XDG_CONFIG_HOME": ""]
  }

  @Test func `somebody signs in by a browser elsewhere, slowly where asked, and stays signed in`() async throws {
    try await withProvider { desk, issuer, login in
      let signedIn = try await login("slow", [])
      #expect(signedIn.status == .code(0), "\(signedIn.output) \(signedIn.errors)")
      for part in [
        "open this page in a browser", "  https://id.example/device\n", "enter the code  WDJB-MJHT",
        "https://id.example/device?user_code=WDJB-MJHT", "good for 60 s",
      ] {
        #expect(signedIn.errors.contains(part), "\(part): \(signedIn.errors)")
      }
      #expect(signedIn.output.contains(" as dora@acme.example; the context"), "\(signedIn.output)")
      // A second to each poll, and five more after slow_down (RFC 8628, 3.5).
      let polls = TestFiles.text("\(desk.folder)/polls").split(separator: "\n").compactMap {
        $0.split(separator: " ").first.flatMap { Double($0) }
      }
      try #require(polls.count == 3)
      #expect(polls[1] - polls[0] >= 0.9 && polls[2] - polls[1] >= 5.9, "\(polls)")

      let home = Self.home(desk)
      let who = try await desk.run(["call", "session.whoami"], environment: home).json()
      #expect(who["principal"]?["kind"] == "user", "\(who)")
      let listed = try await desk.run(["context", "list", "--json"], environment: home)
      #expect(try listed.json().arrayValue?.first?["oidc_issuer"] == .string(issuer))
      #expect(!listed.output.contains("again"), "tokens aren't shown")

      // A token that has expired is got anew, and kept.
      let short = try await login("short", [])
      #expect(short.status == .code(0), "\(short.errors)")
      let again = try await desk.run(["call", "session.whoami"], environment: home)
      #expect(again.status == .code(0), "\(again.errors)")
      #expect(TestFiles.text("\(desk.folder)/polls").split(separator: "\n").last?.hasSuffix("refresh_token") == true)
      let count = TestFiles.text("\(desk.folder)/polls").split(separator: "\n").count
      #expect(try await desk.run(["call", "session.whoami"], environment: home).status == .code(0))
      #expect(TestFiles.text("\(desk.folder)/polls").split(separator: "\n").count == count, "one token is enough")

      // Several commands at once get one token, not one each by a refresh token that is good once.
      #expect(try await login("short", []).status == .code(0))
      let before = TestFiles.text("\(desk.folder)/polls").split(separator: "\n").count
      try await withThrowingTaskGroup(of: ProgramResult.self) { group in
        for _ in 0..<4 { group.addTask { try await desk.run(["call", "session.whoami"], environment: home) } }
        for try await result in group { #expect(result.status == .code(0), "\(result.errors)") }
      }
      #expect(TestFiles.text("\(desk.folder)/polls").split(separator: "\n").count == before + 1)

      #expect(try await login("short", []).status == .code(0))
      try TestFiles.write("ended".utf8, to: "\(desk.folder)/mode")
      let ended = try await desk.run(["call", "session.whoami"], environment: home)
      #expect(ended.status == .code(1))
      #expect(
        ended.errors.contains("has ended: invalid_grant, session not active")
          && ended.errors.contains("Next: Sign in again: daybook login --connect tcp:"), "\(ended.errors)")
    }
  }

  @Test func `what keeps somebody from signing in is said, and nothing is kept`() async throws {
    try await withProvider { desk, issuer, login in
      let denied = try await login("denied", [])
      #expect(denied.status == .code(1) && denied.errors.contains("was refused in the browser"), "\(denied.errors)")
      for mode in ["expired", "nobody"] {
        let late = try await login(mode, [])
        #expect(late.status == .code(1) && late.errors.contains("The code has expired"), "\(late.errors)")
        #expect(late.errors.contains("Next: Ask for another: daybook login"), "\(late.errors)")
      }
      let without = try await login("no device codes", [])
      #expect(without.status == .code(64) && without.errors.contains("(RFC 8628)"), "\(without.errors)")
      let page = try await login("a page", [])
      #expect(page.status == .code(69) && page.errors.contains("no provider: it sends no JSON"), "\(page.errors)")
      let client = try await login("ok", ["--oidc-issuer", issuer, "--oidc-client", "stranger"])
      #expect(client.status == .code(1) && client.errors.contains("invalid_client, unknown client"), "\(client.errors)")
      let elsewhere = try await login("ok", ["--oidc-issuer", issuer + "/other"])
      #expect(elsewhere.status == .code(64) && elsewhere.errors.contains("no OpenID Connect provider"))
      let open = try await login("ok", ["--oidc-issuer", "http://id.example.org"])
      #expect(open.status == .code(64) && open.errors.contains("without encryption"), "\(open.errors)")
      let away = try await login("ok", ["--oidc-issuer", "http://127.0.0.1:1"])
      #expect(away.status == .code(69) && away.errors.contains("nothing listens on this port.\n"), "\(away.errors)")
      let both = try await login("ok", ["--oidc-issuer", issuer, "--email", "a@b.example"])
      #expect(both.status == .code(64), "\(both.errors)")
      #expect(!FileManager.default.fileExists(atPath: "\(desk.folder)/home/.config/daybook/contexts.json"))
    }
  }
}
