import CanonicalJSON
import DaybookClient
import TestBasics

extension DaybookProcess {
  /// A connection to the Unix socket, as the local administrator.
  nonisolated func client() async throws -> DaybookClient {
    try await DaybookClient.connect(to: Endpoint.parse(unixAddress))
  }

  /// A connection over TCP that has signed in.
  func client(apiKey: String) async throws -> DaybookClient {
    let client = try await DaybookClient.connect(to: try tcpAddress())
    _ = try await client.call("session.open", ["api_key": .string(apiKey)])
    return client
  }

  /// A connection over TCP that a user has signed in on.
  func client(email: String, password: String) async throws -> DaybookClient {
    let client = try await DaybookClient.connect(to: try tcpAddress())
    _ = try await client.call("session.open", ["email": .string(email), "password": .string(password)])
    return client
  }

  /// The TCP address of the ready line.
  func tcpAddress() throws -> Endpoint {
    for address in try addresses.map(Endpoint.parse) { if case .tcp = address { return address } }
    throw HarnessError("no TCP address in the ready line: \(readyLine)")
  }

  /// The address for HTTP of the ready line.
  func httpAddress() throws -> Endpoint {
    let word = readyLine.split(whereSeparator: { " \",[]".contains($0) }).first { $0.hasPrefix("http") }
    guard let word, let place = word.split(separator: "//").last else {
      throw HarnessError("no HTTP address in the ready line: \(readyLine)")
    }
    return try Endpoint.parse("tcp:\(place)")
  }
}

/// One server for all tests that leave a server as they found it; it ends with the test process.
enum SharedServer {
  private static let started = Task {
    let server = DaybookProcess(folder: try TemporaryFolder())
    try await server.start()
    // A list is answered once PostgreSQL is up, which takes a busy machine longer than a list waits.
    try await server.client().caughtUp()
    return server
  }

  static func get() async throws -> DaybookProcess { try await started.value }
}
