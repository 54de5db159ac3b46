import ArgumentParser
import CanonicalJSON
import Files
import Server
import Subprocess

#if canImport(Glibc)
  import Glibc
#endif

/// `daybook destroy`: removes a data folder with all that belongs to it.
struct Destroy: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Remove a data folder, and its private PostgreSQL wherever that lies.",
    discussion: """
      Names what it removes, and asks. It stops nothing: while a server or its
      PostgreSQL runs, it refuses. The root key stays, since backups and exports
      of keys open with nothing else; --root-key removes it too.

      EXAMPLES
        daybook destroy --data ./daybook-data
        daybook destroy --data /var/lib/daybook/data --root-key --yes
      """)

  @OptionGroup var data: DataOptions

  @Flag(name: .long, help: "Remove the root key beside the folder as well: backups can't be read any more.")
  var rootKey = false

  @Flag(name: .long, help: "Don't ask.")
  var yes = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let folder = DataFolder(Program.absolute(data.folder))
    let contents = folder.contents()
    guard contents.folder != nil || contents.cluster != nil else {
      throw Failure(
        .usage, "There is no data folder here, and no PostgreSQL of one.", place: folder.path,
        next: "Name it with --data or DAYBOOK_DATA.")
    }
    guard contents.foreign.isEmpty else {
      throw Failure(
        .refused, "There is something in the folder that Daybook didn't make; nothing was removed.",
        place: contents.foreign.map { "\(folder.path)/\($0)" }.joined(separator: "\n      "),
        next: "Move it away, or check the folder's name.")
    }
    let lock = try lock(contents)
    defer { lock?.release() }
    if let process = contents.postgres {
      throw Failure(
        .unavailable, "The private PostgreSQL of a server that was killed still runs, as process \(process).",
        place: contents.cluster ?? contents.folder,
        next: "Start and stop the server once (daybook serve), or end that process with SIGINT.")
    }
    let doomed = [contents.cluster, contents.folder, rootKey ? contents.rootKey : nil].compactMap { $0 }
    if !output.json || !yes {
      let key = rootKey ? nil : contents.rootKey
      let stays = key.map { "The root key stays, for backups: \($0)" }
      let text = (["This removes for good:"] + doomed.map { "  \($0)" } + [stays].compactMap { $0 })
      for line in text { Terminal.complain(Terminal.plain(line)) }
    }
    guard yes || Terminal.ask("Remove it? Type yes: ")?.lowercased() == "yes" else {
      throw Failure(.refused, "Nothing was removed.", next: "Say --yes where nobody can be asked.")
    }
    for path in doomed {
      let outcome = try await Subprocess.run(
        .name("rm"), arguments: ["-rf", "--one-file-system", "--", path], input: .none, output: .discarded,
        error: .string(limit: 4096))
      guard outcome.terminationStatus.isSuccess else {
        throw Failure(.refused, "Not all of it could be removed: \(outcome.standardError)", place: path)
      }
    }
    if output.json { return Terminal.say(json: ["removed": .array(doomed.map(JSON.string))]) }
    Terminal.say("Removed.")
  }

  /// Keeps a server from starting meanwhile.
  private func lock(_ contents: DataFolder.Contents) throws -> FileLock? {
    guard let place = contents.folder else { return nil }
    let file = DataFolder(place).lock
    guard let lock = try FileLock.take(file, as: FileError.self) else {
      throw Failure(
        .unavailable, "A server has this folder: \(FileSystem<FileError>.text(file) ?? "").", place: place,
        next: "Stop it first; nothing was removed.")
    }
    return lock
  }
}
