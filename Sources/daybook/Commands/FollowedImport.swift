import CanonicalJSON
import DaybookClient
import Refusals

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook import openlineage --follow`: takes what is written to a file, and knows after a restart where it was.
///
/// A place is kept once the server has answered everything before it. What was answered and not kept, since something
/// ended in between, is sent again, which records nothing.
struct FollowedImport {
  private let path: String
  private let state: String
  private let organization: String?
  private let window: Int
  private let connection: ConnectionOptions
  private let isSilent: Bool
  private var file: FollowedFile?
  /// Files that were rotated while nobody followed, to be read to their ends, the oldest first.
  private var rotated: [FollowedFile] = []
  private var isOrganizationKnown = false

  init(
    path: String, state: String, organization: String?, window: Int, connection: ConnectionOptions, isSilent: Bool
  ) throws {
    self.path = path
    self.state = state
    self.organization = organization
    self.window = window
    self.connection = connection
    self.isSilent = isSilent
    guard let known = try ReadingPlace.read(state) else { return }
    try find(known)
  }

  /// Finds the file of a place: under its name, or under another beside it.
  private mutating func find(_ known: ReadingPlace) throws {
    if let present = try FollowedFile(path), try present.goOn(from: known) {
      file = present
      return
    }
    let siblings = try Self.siblings(of: path)
    guard let index = try siblings.firstIndex(where: { try $0.goOn(from: known) }) else {
      Terminal.complain(
        "daybook: what was read last is no longer beside \(path). If it was packed before it was read to its end, "
          + "import it by hand (daybook import openlineage FILE.gz): nothing is recorded twice.")
      return
    }
    rotated = Array(siblings[index...])
  }

  /// The files beside a path whose names begin as it does, the one that was written to first at first.
  private static func siblings(of path: String) throws -> [FollowedFile] {
    let slash = path.lastIndex(of: "/") ?? path.startIndex
    let folder = String(path[..<slash])
    let name = String(path[path.index(after: slash)...])
    guard let directory = opendir(folder.isEmpty ? "/" : folder) else { return [] }
    defer { closedir(directory) }
    var found: [(time: Int64, file: FollowedFile)] = []
    while let entry = readdir(directory) {
      let other = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      var status = stat()
      guard other.hasPrefix(name), other != name, !other.hasSuffix(".gz"), !other.hasSuffix(".daybook-place"),
        stat("\(folder)/\(other)", &status) == 0, status.st_mode & S_IFMT == S_IFREG,
        let file = try FollowedFile("\(folder)/\(other)")
      else { continue }
      found.append((Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec), file))
    }
    return found.sorted { $0.time < $1.time }.map(\.file)
  }

  /// Follows until the process is ended.
  mutating func run() async throws {
    var isLost = false
    var pause = Duration.milliseconds(200)
    while true {
      do {
        let client = try await connection.open()
        if isLost { Terminal.complain("daybook: the server is back.") }
        (isLost, pause) = (false, .milliseconds(200))
        do {
          try await follow(client)
        } catch {
          // What it failed with is what counts.
          try? await client.close()
          throw error
        }
      } catch {
        guard isOrganizationKnown, Self.mayPass(error) else { throw error }
        if !isLost { Terminal.complain("daybook: the server has gone away; going on once it is back.") }
        isLost = true
        try await Task.sleep(for: pause)
        pause = min(pause * 2, .seconds(5))
      }
    }
  }

  private mutating func follow(_ client: DaybookClient) async throws {
    var importer = Importer(client: client, window: window, isSilent: true)
    if let organization { importer.organization = try await Lookup.organization(organization, client) }
    isOrganizationKnown = true
    while true {
      while let old = rotated.first {
        if try await !take(from: old, isLast: true, &importer) { rotated.removeFirst() }
      }
      if file == nil { file = try FollowedFile(path) }
      guard let present = file else {
        try await Task.sleep(for: .milliseconds(200))
        continue
      }
      // Looked at before the file is read: what is written to it until another has its name is read still.
      let isRotated = !present.isCurrent && access(path, F_OK) == 0
      guard try present.isUnchanged else {
        Terminal.complain("daybook: \(path) was emptied; going on at its beginning.")
        file = try FollowedFile(path)
        continue
      }
      if try await take(from: present, isLast: isRotated, &importer) { continue }
      if isRotated { file = nil } else { try await Task.sleep(for: .milliseconds(200)) }
    }
  }

  /// Takes the next lines of a file; false where there are none.
  private func take(from file: FollowedFile, isLast: Bool, _ importer: inout Importer) async throws -> Bool {
    let lines = try file.nextLines(isLast: isLast)
    guard !lines.isEmpty else { return false }
    let before = importer.counts
    var source = EventSource(lines: lines, before: file.place.lines)
    try await importer.take(&source, of: file.path)
    try file.took(lines)
    try file.place.write(state)
    if !isSilent {
      let now = importer.counts
      Terminal.say(
        "\(now.read - before.read) events: \(now.recorded - before.recorded) recorded, "
          + "\(now.unchanged - before.unchanged) known already, \(now.failed - before.failed) failed.")
    }
    return true
  }

  /// Whether an error is of a server that is away, or that can't answer for a moment.
  private static func mayPass(_ error: any Error) -> Bool {
    switch error {
    case ClientError.closed, ClientError.unreachable: true
    case ClientError.remote(let refusal): refusal.code?.isTransient == true
    case let failure as Failure: failure.status == .unavailable && failure.place == nil
    default: false
    }
  }
}
