import EmbeddedPostgres
import Files

#if canImport(Glibc)
  import Glibc
#endif

extension DataFolder {
  /// What a server makes in a data folder, by their names; each may have a further ending such as `.new` or `.1`.
  private static let names = [
    "log", "head", "head-2", "restored.json", "accepted.json", "vault", "postgres", "daybook.sock", "daybook.lock",
  ]

  /// What there is of this data folder on the machine, and what stands in the way of removing it.
  public struct Contents: Sendable, Equatable {
    /// The folder itself, without links; nil where there is none.
    public var folder: String?
    /// Where its private PostgreSQL keeps its files, where that isn't in the folder.
    public var cluster: String?
    /// The file of the root key beside it; nil where there is none.
    public var rootKey: String?
    /// What lies in the folder and no server has made.
    public var foreign: [String] = []
    /// The process id of a private PostgreSQL that runs without a server.
    public var postgres: Int32?
  }

  /// Looks at what there is.
  public func contents() -> Contents {
    var contents = Contents()
    let place = Self.resolved(path)
    if Self.isFolder(place) {
      contents.folder = place
      contents.foreign = Self.entries(of: place).filter { entry in
        !Self.names.contains { entry == $0 || entry.hasPrefix($0 + ".") }
      }.sorted()
    }
    let remains = EmbeddedPostgres.remains(of: place + "/postgres")
    contents.cluster = remains.elsewhere
    contents.postgres = remains.processID
    let key = place + ".root-key"
    if access(key, F_OK) == 0 { contents.rootKey = key }
    return contents
  }

  /// A path without links, also where its last part isn't there any more.
  private static func resolved(_ path: String) -> String {
    if let whole = real(path) { return whole }
    guard let slash = path.lastIndex(of: "/") else { return path }
    let parent = slash == path.startIndex ? "/" : String(path[..<slash])
    guard let above = real(parent) else { return path }
    return (above == "/" ? "" : above) + path[slash...]
  }

  private static func real(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }

  private static func isFolder(_ path: String) -> Bool {
    FileSystem<FileError>.isFolder(path)
  }

  private static func entries(of folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}
