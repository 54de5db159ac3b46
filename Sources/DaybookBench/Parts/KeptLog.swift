import CanonicalJSON
import DaybookClient

#if canImport(Glibc)
  import Glibc
#endif

/// A data folder with a log of a certain length, which a platform's mix has filled: made once, and kept for later runs,
/// each of which works on a copy.
struct KeptLog {
  /// How many events were asked for; the log has a few more.
  let events: Int
  let organizations: [String]
  let pipelines: OldPipelines
  private let folder: String

  private static let connections = 16
  /// Changes with what logs are filled with, and with their format, which each start of a copy would bring over anew.
  private static let recipe = "2"

  /// Finds it, or makes it.
  static func provide(_ events: Int, ground: Ground, options: BenchOptions) async throws -> KeptLog {
    let place = options.logs ?? ground.parent + "/logs"
    try Ground.makeFolder(place)
    let folder = "\(place)/\(events)-events-\(recipe)"
    if let text = Input.text(folder + "/contents.json") { return try KeptLog(folder, JSON.parse(text)) }
    return try await make(events, into: folder, ground: ground, options: options)
  }

  private init(_ folder: String, _ contents: JSON) throws {
    guard let events = contents["events"]?.integerValue,
      let organizations = contents["organizations"]?.arrayValue?.compactMap(\.stringValue), !organizations.isEmpty,
      let series = contents["pipelines"]?.arrayValue
    else { throw BenchFailure("\(folder)/contents.json is not what was written there: remove the folder") }
    self.folder = folder
    self.events = Int(events)
    self.organizations = organizations
    pipelines = OldPipelines(
      series.compactMap { entry in
        guard let number = entry["series"]?.integerValue, let count = entry["count"]?.integerValue else { return nil }
        return (Int(number), Int(count))
      })
  }

  /// What the ids of a connection's resources are made from.
  private static func series(_ connection: Int) -> Int { 2000 + 10 * connection }

  private static func make(
    _ events: Int, into folder: String, ground: Ground, options: BenchOptions
  ) async throws -> KeptLog {
    let name = "filling-\(events)"
    let server = try await DaybookProcess.start(name, .away, ground: ground, options: options)
    var organizations: [String] = []
    for number in 1...20 {
      let made = try await server.client.call(
        "organization.create", ["name": .string("Bench \(number)"), "slug": .string("bench-\(number)")])
      guard let id = made["id"]?.stringValue else { throw BenchFailure("organization.create answered no id") }
      organizations.append(id)
    }
    let each = (events + connections - 1) / connections
    if each > 0 {
      Progress.say("filling a log with \(Number.text(Double(events), decimals: 0)) events; it is kept for later runs")
      let load = try await server.load(for: Subjects(organization: organizations[0], pipelines: []))
      let shape = LoadShape(connections: connections, depth: 32, extent: .requestsEach(each))
      let result = try load.run(shape) { count in
        Progress.say("  \(Number.text(Double(count), decimals: 0)) commands")
      } source: { connection in
        PlatformMix(organizations: organizations, series: series(connection), old: OldPipelines())
      }
      Progress.say("  filled at \(Number.text(result.rate, decimals: 0)) commands/s")
    }
    try await server.stop()
    let pipelines: [JSON] = (0..<connections).map { connection in
      [
        "series": .integer(Int64(series(connection))), "count": .integer(Int64(PlatformMix.pipelines(in: each))),
      ]
    }
    let contents: JSON = [
      "events": .integer(Int64(events)), "organizations": .array(organizations.map { .string($0) }),
      "pipelines": .array(pipelines),
    ]
    let made = "\(ground.folder)/\(name)"
    try Ground.makeFolder(folder)
    for (from, to) in [(made, folder + "/data"), (made + ".root-key", folder + "/data.root-key")] {
      guard rename(from, to) == 0 else { throw BenchFailure.system("can't move \(from) to \(to)") }
    }
    // Only what has this file counts.
    try Output.replace(folder + "/contents.json", with: contents.canonicalString + "\n")
    return try KeptLog(folder, contents)
  }

  /// Starts a server without PostgreSQL on a copy of its own.
  func start(_ name: String, ground: Ground, options: BenchOptions) async throws -> DaybookProcess {
    let copy = "\(ground.folder)/\(name)"
    let script = """
      rm -rf "$1" && cp -a --reflink=auto "$0" "$1" && cp -a "$0.root-key" "$1.root-key" && sync -f "$1"
      """
    _ = try ChildProcess.run(["sh", "-c", script, folder + "/data", copy], errors: ground.folder + "/copy.log")
    return try await DaybookProcess.start(name, .away, ground: ground, options: options)
  }

  /// Removes a copy.
  static func removeCopy(_ name: String, ground: Ground) throws {
    let copy = "\(ground.folder)/\(name)"
    _ = try ChildProcess.run(["rm", "-rf", copy, copy + ".root-key"], errors: ground.folder + "/copy.log")
  }
}
