import Access
import BasicTypes
import CanonicalJSON
import EventLog
import Files
import Logging
import ServiceLifecycle

#if canImport(Glibc)
  import Glibc
#endif

/// How a server backs itself up by the clock.
public struct BackupSchedule: Sendable {
  /// The folder below which each backup gets one of its own, named after its time.
  public var folder: String
  /// How many seconds after one the next is made.
  public var seconds: Int64
  /// How many are kept; older ones are removed once a newer one is verified.
  public var keep: Int
  /// Throws where a backup's folder doesn't hold a whole log. It reads all of it, so it best runs in a process of its
  /// own, which damage may end.
  public var verify: @Sendable (_ folder: String) async throws -> Void

  /// A schedule.
  public init(
    folder: String, seconds: Int64, keep: Int, verify: @escaping @Sendable (_ folder: String) async throws -> Void
  ) {
    self.folder = folder
    self.seconds = seconds
    self.keep = keep
    self.verify = verify
  }
}

/// Why a backup of the schedule came to nothing, as a sentence.
public struct BackupProblem: Error, Sendable, CustomStringConvertible {
  /// The sentence.
  public let description: String

  /// A problem told by that sentence.
  public init(_ sentence: String) {
    description = sentence
  }
}

/// Makes backups by the clock: each is made beside the others under a name that says that it isn't verified, is
/// verified, gets its name, and is recorded; then the oldest beyond their number go. When the next is due is told by
/// the names, so a restart neither forgets nor repeats one.
actor ScheduledBackups {
  /// One that was made and verified.
  struct Made: Equatable {
    let name: String
    let at: Timestamp
    let position: UInt64
  }

  private static let prefix = "daybook-"
  private static let unverified = ".unverified"
  /// How long after a failure it is tried again, in seconds, at most.
  private static let retry: Int64 = 300

  private let services: Services
  let schedule: BackupSchedule
  /// The newest; nil where there is none.
  private(set) var last: Made?
  /// Why the last try came to nothing; nil where it went well.
  private(set) var problem: String?
  private var notBefore: Timestamp?
  private var hasLooked = false

  init(_ schedule: BackupSchedule, services: Services) {
    self.schedule = schedule
    self.services = services
  }

  /// Whether the newest is older than the schedule allows for.
  func isOverdue(at now: Timestamp) -> Bool {
    let since = last?.at ?? services.startedAt
    return now.microseconds - since.microseconds > (schedule.seconds + schedule.seconds / 4 + 600) * 1_000_000
  }

  /// Makes one, where one is due.
  func turn(at now: Timestamp) async {
    if let notBefore, now < notBefore { return }
    do {
      if !hasLooked {
        try makeFolder()
        last = try kept().last
        hasLooked = true
      }
      // One from the future was made by a clock that was wrong: it keeps none from being made.
      if let last, last.at <= now, now.microseconds - last.at.microseconds < schedule.seconds * 1_000_000 { return }
      let made = try await services.backupBoard.counting(services.configuration.clock) { try await make(at: now) }
      last = made
      if problem != nil { services.logger.notice("backups are made again") }
      problem = nil
      notBefore = nil
      services.logger.info(
        "backed up and verified", metadata: ["folder": "\(made.name)", "position": "\(made.position)"])
      try prune()
    } catch is CancellationError {
      return
    } catch {
      let pause = min(Self.retry, schedule.seconds)
      notBefore = Timestamp(microseconds: now.microseconds + pause * 1_000_000)
      let sentence = (error as? EventLogError)?.message ?? "\(error)"
      if problem != sentence {
        services.logger.error("a backup could not be made; it is tried again", metadata: ["error": "\(sentence)"])
      }
      problem = sentence
    }
  }

  private func make(at now: Timestamp) async throws -> Made {
    try removeUnverified()
    let name = Self.prefix + Self.compact(now)
    let target = "\(schedule.folder)/\(name)"
    let draft = target + Self.unverified
    let manifest = try await services.backUp(into: draft, keysFile: nil)
    try await schedule.verify(draft)
    guard rename(draft, target) == 0 else { throw Self.failure("name", target) }
    try sync()
    guard let position = manifest["position"]?.integerValue, let root = manifest["root"] else {
      throw BackupProblem("The backup \(target) has no position.")
    }
    let made = Made(name: name, at: now, position: UInt64(position))
    guard services.configuration.recordsAccess else { return made }
    await services.recorder.record(
      "backed_up", ["position": .integer(position), "root": root, "with_keys": false], by: nil, from: Origin())
    return made
  }

  /// What was kept, the oldest first. Only what has a name of ours and a manifest counts.
  private func kept() throws -> [Made] {
    try names().compactMap { name -> Made? in
      guard let at = Self.time(of: name) else { return nil }
      do {
        let manifest = try BackupManifest.read(from: "\(schedule.folder)/\(name)")
        return Made(name: name, at: at, position: manifest.position)
      } catch {
        services.logger.warning(
          "a backup can't be read, and is neither counted nor removed",
          metadata: ["folder": "\(name)", "cause": "\(error)"])
        return nil
      }
    }.sorted { $0.at < $1.at }
  }

  private func prune() throws {
    for old in try kept().dropLast(schedule.keep) {
      try Self.remove("\(schedule.folder)/\(old.name)")
      services.logger.info("an old backup is removed", metadata: ["folder": "\(old.name)"])
    }
  }

  /// Removes what was begun by a server that ended, or failed.
  private func removeUnverified() throws {
    for name in try names() where name.hasSuffix(Self.unverified) {
      guard Self.time(of: String(name.dropLast(Self.unverified.count))) != nil else { continue }
      try Self.remove("\(schedule.folder)/\(name)")
    }
  }

  private func makeFolder() throws {
    guard mkdir(schedule.folder, 0o700) == 0 || errno == EEXIST else { throw Self.failure("make", schedule.folder) }
  }

  private func sync() throws {
    let descriptor = open(schedule.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure("open", schedule.folder) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw Self.failure("sync", schedule.folder) }
  }

  private func names() throws -> [String] { try Self.names(in: schedule.folder) }

  private static func names(in folder: String) throws -> [String] {
    guard let directory = opendir(folder) else { throw failure("read", folder) }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Removes a backup: its manifest first, so that what is left by a crash on the way is no whole backup.
  private static func remove(_ folder: String) throws {
    for name in try names(in: folder).sorted(by: { first, _ in first == "manifest.json" }) {
      let path = "\(folder)/\(name)"
      guard let entry = FileEntry(at: path) else { throw failure("look at", path) }
      if entry.kind == .folder {
        try remove(path)
      } else if unlink(path) != 0 {
        throw failure("remove", path)
      }
    }
    guard rmdir(folder) == 0 else { throw failure("remove", folder) }
  }

  /// `20261130T161500Z`.
  private static func compact(_ time: Timestamp) -> String {
    let text = time.text.utf8.prefix(19).filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") }
    return String(decoding: text, as: UTF8.self) + "Z"
  }

  /// The time in a name of ours; nil for another name.
  static func time(of name: String) -> Timestamp? {
    let digits = Array(name.utf8.dropFirst(prefix.utf8.count))
    guard name.hasPrefix(prefix), digits.count == 16 else { return nil }
    func part(_ range: Range<Int>) -> String { String(decoding: digits[range], as: UTF8.self) }
    return Timestamp(
      "\(part(0..<4))-\(part(4..<6))-\(part(6..<11)):\(part(11..<13)):\(part(13..<16))")
  }

  private static func failure(_ what: String, _ path: String) -> BackupProblem {
    BackupProblem("Can't \(what) \(path): \(String(cString: strerror(errno))).")
  }
}

/// Makes backups until the server stops.
struct BackupService: Service {
  let backups: ScheduledBackups
  let clock: @Sendable () -> Timestamp

  func run() async throws {
    let pause = Duration.seconds(min(30, max(1, backups.schedule.seconds / 2)))
    await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        await backups.turn(at: clock())
        do { try await Task.sleep(for: pause) } catch { return }
      }
    }
  }
}

extension ScheduledBackups {
  /// What `server.status` tells administrators of it; whoever is on this machine, where they lie, too.
  func status(isLocal: Bool, at now: Timestamp) -> JSONObject {
    var status: JSONObject = [
      "every_seconds": .integer(schedule.seconds), "keep": .integer(Int64(schedule.keep)),
      "overdue": .bool(isOverdue(at: now)),
    ]
    if isLocal { status["folder"] = .string(schedule.folder) }
    if let last {
      status["last_at"] = .string(last.at.text)
      status["last_position"] = JSON(position: last.position)
    }
    if let problem { status["problem"] = .string(isLocal ? problem : Services.withoutPaths(problem)) }
    return status
  }
}
