import CanonicalJSON
import Domain
import EventLog
import Files
import Projections

extension ServerMethod {
  /// Whether the server can do its work, for whoever sends it some.
  static let health: [ServerMethod] = [
    ServerMethod(
      "server.health", "Whether the server can do all of its work now, and why not.", .anyone,
      result: object([
        "ready": ["type": "boolean"],
        "reasons": [
          "type": "array",
          "items": object(["component": ["type": "string"], "problem": ["type": "string"]]),
        ],
      ]),
      .task { JSON.object(await $0.services.health()).canonicalBytes })
  ]
}

/// What may keep a server from doing all of its work.
enum HealthComponent: String, Sendable, CaseIterable {
  case postgres, projections, disk, head, clock
}

extension Services {
  /// Read models that are further behind are told as a trouble.
  private static let longestLag = 60.0
  /// With less free space on the disk the log soon takes no event any more.
  private static let leastFreeBytes: UInt64 = 512 << 20

  /// What `server.health` answers: no words that hold paths or values, since anybody may ask.
  func health() async -> JSONObject {
    let problems = await healthProblems()
    let reasons = problems.map { component, problem -> JSON in
      ["component": .string(component.rawValue), "problem": .string(problem)]
    }
    return ["ready": .bool(reasons.isEmpty), "reasons": .array(reasons)]
  }

  /// What keeps the server from doing all of its work.
  func healthProblems() async -> [(component: HealthComponent, problem: String)] {
    var found: [(component: HealthComponent, problem: String)] = []
    func add(_ component: HealthComponent, _ problem: String) { found.append((component, problem)) }
    do {
      if try log.signedHead() == nil { add(.head, "The head of the log is not signed.") }
    } catch {
      add(.head, "The head of the log can't be signed; the server's log says why.")
    }
    if let free = FileSystem<FileError>.freeSpace(in: DataFolder(configuration.dataFolder).log),
      free < Self.leastFreeBytes
    {
      add(.disk, "The disk with the log has \(free >> 20) MiB left: free space.")
    }
    if log.clock.problem != nil { add(.clock, "The machine's clock can't be believed; see server.status.") }
    let models = await projections.status()
    if models.contains(where: { $0.state == .unavailable }) {
      add(.postgres, "PostgreSQL can't be used: commands are taken, and read models wait.")
    } else if let last = models.max(by: { $0.lagSeconds < $1.lagSeconds }), last.lagSeconds > Self.longestLag {
      add(.projections, "The read model \(last.name) is \(Int(last.lagSeconds)) seconds behind the log.")
    }
    return found
  }
}
