import CanonicalJSON
import TestBasics
import Testing

/// Where the server is can be said before the command's name, as with other programs.
@Suite(.serialized) struct LeadingOptionTests {
  @Test func `options that say where the server is may stand before the command`() async throws {
    try await withDesk { desk in
      try await desk.withServer(listen: "127.0.0.1:0") {
        let port = try await desk.port()
        for words in [
          ["--connect", "tcp:127.0.0.1:\(port)", "call", "server.ping"],
          ["--connect=tcp:127.0.0.1:\(port)", "call", "server.ping"],
          ["call", "server.ping", "--connect", "tcp:127.0.0.1:\(port)"],
        ] {
          let pong = try await desk.run(words)
          #expect(pong.output == "{\"pong\":true}\n", "\(words): \(pong.errors)")
        }
        let nowhere = try await desk.run(["--connect", "tcp:127.0.0.1:1", "call", "server.ping"])
        #expect(nowhere.status == .code(69), "\(nowhere.errors)")
        let alone = try await desk.run(["--connect", "tcp:127.0.0.1:\(port)"])
        #expect(alone.status == .code(64), "\(alone.errors)")
      }
    }
  }
}
