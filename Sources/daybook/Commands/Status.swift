import ArgumentParser
import BasicTypes
import CanonicalJSON
import DaybookClient
import Server

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook status`: whether the server is well.
struct Status: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say whether the server is well: the log, the read models, PostgreSQL, the disk, the last backup.",
    discussion: """
      The exit code is 0 where all is well, and 69 where something isn't or no
      server answers. With --wait it asks again until all is well: what a script
      wants that has just started the server. --all lists everything the server
      tells, and each read model.

      EXAMPLES
        daybook status
        daybook status --wait
        daybook status --wait --timeout 300 --json > status.json
      """)

  @Flag(name: .long, help: "Wait until all is well.") var wait = false
  @Option(name: .long, help: "How many seconds to wait at most.") var timeout = 60
  @Flag(name: .long, help: "List everything, and each read model.") var all = false

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard timeout >= 1 else { throw ValidationError("--timeout must be at least 1.") }
  }

  func run() async throws {
    let deadline = ContinuousClock.now + .seconds(timeout)
    while true {
      do {
        let health = try await connection.withClient { try await Health.ask($0) }
        if health.problems.isEmpty || !wait || ContinuousClock.now >= deadline {
          return try show(health)
        }
      } catch let error as ClientError {
        // A server that starts isn't there yet; one that refuses won't do otherwise in a moment.
        guard wait, error.refusal == nil, ContinuousClock.now < deadline else { throw error }
      }
      try await Task.sleep(for: .milliseconds(500))
    }
  }

  private func show(_ health: Health) throws {
    if output.json {
      Terminal.say(json: .object(health.json))
    } else {
      for line in health.lines() { Terminal.say(line) }
      if all {
        Terminal.say("")
        for line in health.details() { Terminal.say(line) }
        Terminal.say("")
        ProjectionsCommand.table(health.projections).show(orElse: "There are no read models.")
      }
    }
    if !health.problems.isEmpty { throw ExitCode.unavailable }
  }
}

/// How a server is, and what isn't well with it.
struct Health {
  let status: JSON
  let projections: JSON
  /// The latest `installation.backed_up`; nil where none is recorded, or it isn't for the caller to know.
  let backup: JSON?
  /// How much the file system of the data folder has, where this is the server's machine.
  let disk: Disk?

  /// A file system.
  struct Disk {
    let free: UInt64
    let total: UInt64
  }

  /// How many seconds a read model may be behind; in a server that is written to it always is by some events.
  private static let mostSeconds = 60.0
  /// The part of a disk that must be free.
  private static let leastFree = 0.05

  static func ask(_ client: DaybookClient) async throws -> Health {
    let status = try await client.call("server.status")
    let projections = try await client.call("projection.status")
    // Who may not search the audit trail isn't told of backups; while PostgreSQL is away nobody is.
    let found = try? await client.call(
      "audit.search",
      ["event": "installation.backed_up", "order": "-position", "limit": 1, "at_least": 0, "timeout_ms": 1000])
    return Health(
      status: status, projections: projections, backup: found?["items"]?.arrayValue?.first, disk: Disk(of: status))
  }

  /// What isn't well, a sentence each.
  var problems: [String] {
    var problems: [String] = []
    var told: [JSON: [String]] = [:]
    var order: [JSON] = []
    for item in projections["items"]?.arrayValue ?? [] {
      let state = item.cell("state")
      let lag = item["lag_seconds"]?.doubleValue ?? 0
      guard state != "running" || lag > Self.mostSeconds else { continue }
      // What many read models have in common is said once.
      let key: JSON = [.string(state), item["error"]?["message"] ?? .null, item["error"]?["position"] ?? .null]
      if told[key] == nil { order.append(key) }
      told[key, default: []].append(item.cell("name"))
    }
    for key in order {
      let names = told[key] ?? []
      let parts = key.arrayValue ?? []
      let who = names.count > 3 ? "\(names.count) read models" : names.joined(separator: ", ")
      let state =
        parts[0].cell == "running"
        ? "behind by more than a minute" : parts[0].cell.map { $0 == "_" ? " " : String($0) }.joined()
      let position = parts[2].integerValue.map { " at position \($0)" } ?? ""
      problems.append("\(who): \(state)\(position)" + (parts[1].isNull ? "" : ": \(parts[1].cell)"))
    }
    let clock = status["clock"] ?? .null
    if clock["problem"]?.isNull == false { problems.append("clock: \(clock.cell("problem"))") }
    if let disk, disk.total > 0, Double(disk.free) / Double(disk.total) < Self.leastFree {
      problems.append("disk: only \(Bytes.text(disk.free)) are free")
    }
    let backups = status["backups"] ?? .null
    if let problem = backups["problem"]?.stringValue {
      problems.append("backup: \(problem)")
    } else if backups["overdue"] == true {
      problems.append("backup: the last one is older than the schedule allows for")
    }
    return problems
  }

  /// Everything for a program.
  var json: JSONObject {
    var object = status.objectValue ?? [:]
    object["projection_status"] = projections["items"] ?? []
    object["healthy"] = .bool(problems.isEmpty)
    object["problems"] = .array(problems.map(JSON.string))
    object["last_backup"] =
      newestBackup.map { ["at": .string($0.at), "position": $0.position, "age_seconds": age(of: $0.at)] } ?? .null
    if let disk {
      object["disk"] = [
        "free_bytes": .integer(Int64(clamping: disk.free)), "total_bytes": .integer(Int64(clamping: disk.total)),
      ]
    }
    if let url = status["postgres"]?["url"]?.stringValue {
      var postgres = status["postgres"]?.objectValue ?? [:]
      postgres["url"] = .string(PostgresSettings.withoutPassword(url))
      object["postgres"] = .object(postgres)
    }
    return object
  }

  /// The summary.
  func lines() -> [String] {
    let addresses = (status["addresses"]?.arrayValue ?? []).map(\.cell).joined(separator: ", ")
    let uptime = status["uptime_seconds"]?.doubleValue.map { ", up \(Durations.text($0))" } ?? ""
    let verdict = problems.isEmpty ? Paint.green.on("well") : Paint.red.on("not well")
    var lines = ["Daybook \(status.cell("version")) is \(verdict)\(uptime)"]
    for problem in problems {
      let width = Terminal.width ?? .max
      lines += Terminal.broken("  ! \(Terminal.plain(problem))", to: width, indent: 4).map(Paint.red.on)
    }
    func add(_ name: String, _ text: String) {
      guard !text.isEmpty else { return }
      let line = name + String(repeating: " ", count: max(0, 13 - name.utf8.count)) + Terminal.plain(text)
      // What has to be copied stays in one piece; the terminal goes on in its next line.
      guard let width = Terminal.width, text.contains(" ") else { return lines.append(line) }
      lines += Terminal.broken(line, to: width, indent: 13)
    }
    add("listens on", addresses)
    let last = status.when("last_event_at")
    add("log", "position \(status.cell("position"))" + (last.isEmpty ? "" : ", last event \(last)"))
    let items = projections["items"]?.arrayValue ?? []
    let running = items.count { $0["state"] == "running" }
    let behind = items.compactMap { $0["lag_events"]?.integerValue }.max() ?? 0
    add(
      "read models",
      "\(running) of \(items.count) running" + (behind > 0 ? ", up to \(behind) events behind" : ", up to date"))
    add("clock", clockText)
    if status["demo"] == true {
      add("demo", "this log tells a story: its times are not those at which it was recorded")
    }
    add("data folder", status.cell("data_folder"))
    if let disk { add("disk", "\(Bytes.text(disk.free)) of \(Bytes.text(disk.total)) free") }
    if let url = status["postgres"]?["url"]?.stringValue { add("PostgreSQL", PostgresSettings.withoutPassword(url)) }
    if status["data_folder"] != nil {
      add("last backup", lastBackup)
    }
    return lines
  }

  private var clockText: String {
    let clock = status["clock"] ?? .null
    guard clock["standing"] == "told" else { return clock.cell("standing") }
    return "told: a demonstration's story is at \(clock.cell("now"))"
  }

  /// The newest backup that the log or the schedule knows of.
  private var newestBackup: (at: String, position: JSON)? {
    let known: [(at: String?, position: JSON?)] = [
      (backup?["at"]?.stringValue, backup?["position"]),
      (status["backups"]?["last_at"]?.stringValue, status["backups"]?["last_position"]),
    ]
    return known.compactMap { at, position in at.map { (at: $0, position: position ?? .null) } }
      .max { (Timestamp($0.at) ?? .init(microseconds: 0)) < (Timestamp($1.at) ?? .init(microseconds: 0)) }
  }

  /// How many seconds ago a time was by the server's clock.
  private func age(of time: String) -> JSON {
    guard let then = Timestamp(time), let now = status["clock"]?["now"]?.stringValue.flatMap({ Timestamp($0) }) else {
      return .null
    }
    return .integer(max(0, (now.microseconds - then.microseconds) / 1_000_000))
  }

  private var lastBackup: String {
    let every =
      status["backups"]?["every_seconds"]?.integerValue.map { ", one every \(Durations.text(Double($0)))" } ?? ""
    guard let newest = newestBackup else { return "none is recorded" + every }
    let age = age(of: newest.at).integerValue.map { " (\(Durations.text(Double($0))) ago)" } ?? ""
    return "\(JSON.object(["at": .string(newest.at)]).when("at"))\(age), position \(newest.position.cell)" + every
  }

  /// Everything that the server tells, a line each.
  func details() -> [String] {
    var lines: [(String, String)] = []
    for (name, value) in json where !["projections", "projection_status", "problems"].contains(name) {
      switch value {
      case .object(let object):
        for (member, value) in object { lines.append(("\(name).\(member)", value.cell)) }
      case .array(let elements): lines.append((name, elements.map(\.cell).joined(separator: "  ")))
      default: lines.append((name, name.hasSuffix("_at") ? JSON.object(json).time(name) : value.cell))
      }
    }
    let width = lines.map { $0.0.utf8.count }.max() ?? 0
    return lines.map { name, value in
      "\(name)\(String(repeating: " ", count: width - name.utf8.count))  \(Terminal.plain(value))"
    }
  }
}

extension Health.Disk {
  /// The file system of the data folder, where the server listens on a socket that is on this machine.
  init?(of status: JSON) {
    guard let folder = status["data_folder"]?.stringValue else { return nil }
    let sockets = (status["addresses"]?.arrayValue ?? []).compactMap(\.stringValue).filter { $0.hasPrefix("unix:") }
    guard sockets.contains(where: { access(String($0.dropFirst("unix:".count)), F_OK) == 0 }) else { return nil }
    var system = statvfs()
    guard statvfs(folder, &system) == 0 else { return nil }
    self.init(
      free: UInt64(system.f_bavail) * UInt64(system.f_frsize), total: UInt64(system.f_blocks) * UInt64(system.f_frsize))
  }
}

/// Sizes as people read them.
enum Bytes {
  /// `812 B`, `4.2 MB`, `120 GB`.
  static func text(_ count: UInt64) -> String {
    var value = Double(count)
    var unit = 0
    while value >= 1000, unit < 5 {
      value /= 1000
      unit += 1
    }
    let number = unit == 0 || value >= 100 ? "\(Int(value))" : "\((value * 10).rounded(.down) / 10)"
    return "\(number) \(["B", "kB", "MB", "GB", "TB", "PB"][unit])"
  }
}
