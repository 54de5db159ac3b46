import CanonicalJSON
import Catalog
import Files

#if canImport(Glibc)
  import Glibc
#endif

/// A server and how somebody signs in to it, under a name.
struct Context: Equatable, Sendable {
  var connect: String
  var email: String?
  var apiKey: String?
  var certificateAuthorities: String?

  init(connect: String) { self.connect = connect }

  init?(_ json: JSON) {
    guard let connect = json["connect"]?.stringValue else { return nil }
    self.connect = connect
    email = json["email"]?.stringValue
    apiKey = json["api_key"]?.stringValue
    certificateAuthorities = json["tls_ca"]?.stringValue
  }

  var json: JSON {
    var object: JSONObject = ["connect": .string(connect)]
    if let email { object["email"] = .string(email) }
    if let apiKey { object["api_key"] = .string(apiKey) }
    if let certificateAuthorities { object["tls_ca"] = .string(certificateAuthorities) }
    return .object(object)
  }
}

/// The servers that somebody has signed in to, in `$XDG_CONFIG_HOME/daybook/contexts.json` (else
/// `~/.config/daybook/contexts.json`), which its owner alone reads: keys stand in it.
struct Contexts: Sendable {
  private var all: JSONObject = [:]
  /// The context that is used where none is named.
  var current: String?

  /// The context of this name.
  /// - Throws: ``Failure`` with those that there are.
  func named(_ name: String) throws -> Context {
    if let context = self[name] { return context }
    let near = Suggestion.nearest(to: name, in: names, atMost: 3)
    throw Failure(
      .usage, "There is no context “\(Terminal.plain(name))”.",
      next: names.isEmpty
        ? "daybook login makes one."
        : "There \(names.count == 1 ? "is" : "are") \((near.isEmpty ? names : near).joined(separator: ", ")).")
  }

  /// The names in the order of their characters.
  var names: [String] { all.keys.sorted() }

  subscript(name: String) -> Context? {
    get { all[name].flatMap(Context.init) }
    set { all[name] = newValue?.json }
  }

  /// Takes a context away.
  mutating func remove(_ name: String) {
    all.removeValue(forKey: name)
    if current == name { current = nil }
  }

  /// The file's path.
  /// - Throws: ``Failure`` where nobody has a home.
  static func path() throws -> String {
    if let folder = Terminal.environment("XDG_CONFIG_HOME") { return "\(folder)/daybook/contexts.json" }
    guard let home = Terminal.environment("HOME") else {
      throw Failure(.usage, "There is no home folder for contexts.", next: "Set HOME or XDG_CONFIG_HOME.")
    }
    return "\(home)/.config/daybook/contexts.json"
  }

  /// What the file says; nothing where there is none.
  /// - Throws: ``Failure`` where it can't be read, is no JSON, or may be read by others.
  static func read() throws -> Contexts {
    guard Terminal.environment("XDG_CONFIG_HOME") != nil || Terminal.environment("HOME") != nil else {
      return Contexts()
    }
    let path = try path()
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return Contexts() }
      throw Failure(.usage, "The contexts can't be read: \(String(cString: strerror(errno))).", place: path)
    }
    guard status.st_mode & 0o077 == 0 else {
      throw Failure(
        .usage, "The contexts can be read by others, and keys stand in them.", place: path,
        next: "chmod 600 \(path), and revoke the keys if others can have read them.")
    }
    var reader = try ByteReader(path: path)
    guard let object = (try? JSON.parse(try reader.readToEnd()))?.objectValue else {
      throw Failure(.usage, "The contexts are no JSON object.", place: path, next: "Mend the file or remove it.")
    }
    var contexts = Contexts()
    contexts.all = object["contexts"]?.objectValue ?? [:]
    contexts.current = object["current"]?.stringValue
    return contexts
  }

  /// Writes the file anew, whole or not at all, for its owner alone.
  func write() throws {
    let path = try Self.path()
    let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    try Self.makeFolder(folder)
    var object: JSONObject = ["contexts": .object(all)]
    if let current { object["current"] = .string(current) }
    // What was left of a file that was never put in place may be readable by others.
    unlink(path + ".new")
    do throws(FileError) {
      let text = JSON.object(object).indented() + "\n"
      try FileSystem<FileError>.replace(path, with: Array(text.utf8), syncing: true)
    } catch {
      throw Failure(.usage, "The contexts can't be written: \(String(cString: strerror(error.code))).", place: path)
    }
  }

  /// Makes a folder and those above it, for their owner alone.
  private static func makeFolder(_ path: String) throws {
    var made = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      made += "/\(part)"
      guard mkdir(made, 0o700) != 0, errno != EEXIST else { continue }
      throw Failure(.usage, "The folder can't be made: \(String(cString: strerror(errno))).", place: made)
    }
  }
}
