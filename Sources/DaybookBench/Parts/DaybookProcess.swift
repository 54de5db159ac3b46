import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// A `daybook serve` of this run's own, and a client that steers it.
struct DaybookProcess {
  /// What its read models lie in.
  enum Database {
    /// The private PostgreSQL that it runs by default.
    case embedded
    /// One that never answers, so that there is nothing but the log.
    case away
  }

  let client: DaybookClient
  /// From the start of the program to the line that says it is ready.
  let secondsToReady: Double
  let dataFolder: String
  private let child: ChildProcess
  private let ground: Ground
  private let socket: String
  private let port: UInt16?
  /// The port for HTTP, where it was started with one.
  private let httpPort: UInt16?

  /// The id of its process.
  var processID: pid_t { child.id }

  /// The first process of its private PostgreSQL; nil where it has none.
  var postgres: pid_t? {
    let elsewhere = Input.text(dataFolder + "/postgres/LOCATION").map { String($0.filter { $0 != "\n" }) }
    for place in [dataFolder + "/postgres", elsewhere].compactMap(\.self) {
      let line = Input.text(place + "/cluster/postmaster.pid")?.split(separator: "\n").first
      if let id = line.flatMap({ pid_t($0) }) { return id }
    }
    return nil
  }

  /// Where load goes.
  var address: SocketAddress { port.map { .loopback(port: $0) } ?? .unix(socket) }

  /// Where the whole log can be read: on the Unix socket, whose peer sees the events of every organization and of none.
  var ownAddress: SocketAddress { .unix(socket) }

  /// The path of its Unix socket.
  var socketPath: String { socket }

  /// Starts one on the data folder of that name, which may be there already.
  static func start(
    _ name: String, _ database: Database, ground: Ground, options: BenchOptions, speaksHTTP: Bool = false
  ) async throws -> DaybookProcess {
    let folder = "\(ground.folder)/\(name)"
    let socket = "\(ground.socketFolder)/\(name).sock"
    let log = "\(ground.folder)/\(name).log"
    var arguments = [
      options.program, "serve", "--data", folder, "--socket", socket, "--log-format", "json", "--log-level", "warning",
      "--listen", options.transport == .tcp ? "127.0.0.1:0" : "none", "--http",
      speaksHTTP ? "127.0.0.1:0" : "none",
    ]
    if database == .away {
      arguments += ["--postgres", "postgresql://nobody@/nothing?host=\(ground.socketFolder)/away"]
    }
    let child = try ChildProcess.start(arguments, environment: ["DATABASE_URL": nil], output: .pipe, errors: log)
    try ground.register(child.id)
    guard let line = child.readLine(withinSeconds: 60) else {
      child.send(signal: SIGKILL)
      let end = child.wait()
      ground.forget(child.id)
      throw BenchFailure("daybook serve didn't get ready (\(end)):\n\(Input.tail(log))")
    }
    let secondsToReady = Clock.now - child.startedAt
    let addresses = try JSON.parse(line)["addresses"]?.arrayValue ?? []
    func port(_ scheme: String) -> UInt16? {
      addresses.compactMap(\.stringValue).first { $0.hasPrefix(scheme) }
        .flatMap { $0.split(separator: ":").last }.flatMap { UInt16($0) }
    }
    return DaybookProcess(
      client: try await DaybookClient.connect(to: .unix(socket)), secondsToReady: secondsToReady, dataFolder: folder,
      child: child, ground: ground, socket: socket, port: port("tcp:"), httpPort: port("http:"))
  }

  /// Ends it in order.
  func stop() async throws {
    try await client.close()
    child.send(signal: SIGTERM)
    let deadline = Clock.now + 60
    var end = child.poll()
    while end == nil, Clock.now < deadline {
      try await Task.sleep(for: .milliseconds(20))
      end = child.poll()
    }
    if end == nil {
      child.send(signal: SIGKILL)
      end = child.wait()
    } else {
      close(child.output)
    }
    ground.forget(child.id)
    guard end == .exited(0) else {
      throw BenchFailure(
        "daybook serve didn't stop in order (\(end.map { "\($0)" } ?? "")):\n\(Input.tail(dataFolder + ".log"))")
    }
  }

  /// Ends it as a power cut would, as far as it is concerned.
  func kill() async throws {
    child.send(signal: SIGKILL)
    _ = child.wait()
    ground.forget(child.id)
    try await client.close()
  }

  /// Makes an organization and pipelines that runs can be started of.
  func makeSubjects(pipelines count: Int) async throws -> Subjects {
    let made = try await client.call("organization.create", ["name": "Bench", "slug": "bench"])
    guard let organization = made["id"]?.stringValue else {
      throw BenchFailure("organization.create answered \(made.canonicalString)")
    }
    var replies: [DaybookClient.Reply] = []
    for number in 0..<count {
      replies.append(
        client.send(
          "pipeline.create",
          ["organization_id": .string(organization), "name": .string("measured_\(number)"), "schedule": "5 * * * *"]))
    }
    var pipelines: [String] = []
    for reply in replies {
      guard let id = try await reply.value["id"]?.stringValue else {
        throw BenchFailure("pipeline.create answered no id")
      }
      pipelines.append(id)
    }
    return Subjects(organization: organization, pipelines: pipelines)
  }

  /// What sends load to it; over TCP every connection signs in with a key. On the
  /// Unix socket the peer's uid says enough.
  func load(for subjects: Subjects) async throws -> LoadGenerator {
    guard port != nil else { return LoadGenerator(address: address, greeting: nil) }
    let secret = JSON.string(try await key(for: subjects))
    let request: JSON = ["id": 0, "jsonrpc": "2.0", "method": "session.open", "params": ["api_key": secret]]
    return LoadGenerator(address: address, greeting: request.canonicalString + "\n")
  }

  /// What sends load to its port for HTTP; every request says the key by itself.
  func httpLoad() throws(BenchFailure) -> LoadGenerator {
    guard let httpPort else { throw BenchFailure("daybook serve named no address for HTTP") }
    return LoadGenerator(address: .loopback(port: httpPort), greeting: nil, form: .head)
  }

  /// A new key that may do everything in the organization.
  func key(for subjects: Subjects) async throws -> String {
    let key = try await client.call(
      "api_key.create",
      [
        "organization_id": .string(subjects.organization), "name": "bench",
        "permissions": ["*": ["read", "write", "execute", "admin"]],
      ])
    guard let secret = key["api_key"]?.stringValue else { throw BenchFailure("api_key.create answered no key") }
    return secret
  }

  /// The last position of the log.
  func head() async throws -> Int {
    let head = try await client.call("log.head")
    guard let position = head["position"]?.integerValue else {
      throw BenchFailure("log.head answered \(head.canonicalString)")
    }
    return Int(position)
  }

  /// How large the record at a position is.
  func recordSize(at position: Int) async throws -> (header: Int, body: Int) {
    let page = try await client.call("log.read", ["from": .integer(Int64(position)), "limit": 1])
    guard let record = page["records"]?.arrayValue?.first, let header = record["header"], let body = record["body"]
    else {
      throw BenchFailure("log.read answered \(page.canonicalString)")
    }
    return (header.canonicalBytes.count, body.canonicalBytes.count)
  }
}
