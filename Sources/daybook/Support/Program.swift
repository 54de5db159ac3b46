#if canImport(Glibc)
  import Glibc
#endif

/// This program's own file, and what lies around it.
enum Program {
  /// The path of the running program.
  static var path: String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    guard count > 0 else { return CommandLine.arguments[0] }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The program's file name.
  static var name: String { String(path.split(separator: "/").last ?? "daybook") }

  /// The folder that the program lies in.
  static var folder: String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }

  /// A folder that comes with Daybook (`schema`, `projections`): in `$DAYBOOK_HOME`, or in the nearest folder above
  /// the program or the working directory that has it.
  /// - Throws: ``Failure`` where there is none.
  static func folder(_ name: String, containing suffix: String, option: String) throws -> String {
    var places: [String] = []
    if let home = Terminal.environment("DAYBOOK_HOME") { places.append(home) }
    places += parents(of: path)
    places += parents(of: workingFolder + "/.")
    for place in places {
      let folder = place == "/" ? "/\(name)" : "\(place)/\(name)"
      if holds(folder, suffix) { return folder }
      let shared = place == "/" ? "/share/daybook/\(name)" : "\(place)/share/daybook/\(name)"
      if holds(shared, suffix) { return shared }
    }
    throw Failure(
      .usage, "The folder \(name) was not found above the program or the working directory.", place: path,
      next: "Say where it is with \(option), or where both are with DAYBOOK_HOME.")
  }

  /// A file of the repository, from the nearest folder above the program that has it; nil where none has.
  static func sample(_ name: String) -> String? {
    parents(of: path).lazy.map { "\($0)/\(name)" }.first { access($0, R_OK) == 0 }
  }

  static var workingFolder: String {
    guard let path = getcwd(nil, 0) else { return "." }
    defer { free(path) }
    return String(cString: path)
  }

  /// The folders above a path, the nearest first.
  private static func parents(of path: String) -> [String] {
    var parents: [String] = []
    var rest = Substring(path)
    while let slash = rest.lastIndex(of: "/") {
      rest = rest[..<slash]
      parents.append(rest.isEmpty ? "/" : String(rest))
    }
    return parents
  }

  private static func holds(_ folder: String, _ suffix: String) -> Bool {
    guard let directory = opendir(folder) else { return false }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name.utf8.count > suffix.utf8.count, name.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) {
        return true
      }
    }
    return false
  }
}

extension Program {
  /// The path from the root on, without `.` steps and doubled slashes.
  static func absolute(_ path: String) -> String {
    let whole = path.utf8.first == UInt8(ascii: "/") ? path : "\(workingFolder)/\(path)"
    return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
  }
}
