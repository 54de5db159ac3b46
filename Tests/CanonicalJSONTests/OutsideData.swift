import Glibc

/// The test inputs from outside, beside the repository: `../shared/data` seen from its root.
enum OutsideData {
  /// The folder with the JSON inputs, or nil where it is absent.
  static let folder: String? = {
    var path = #filePath[...]
    while let slash = path.lastIndex(of: "/") {
      path = path[..<slash]
      if access("\(path)/Package.swift", R_OK) == 0 {
        let folder = "\(path)/../shared/data/json"
        return access(folder, R_OK) == 0 ? folder : nil
      }
    }
    return nil
  }()

  /// Whether the inputs are there.
  static var isPresent: Bool { folder != nil }

  /// The names of all files of a folder of the inputs, sorted.
  static func names(in subfolder: String) throws -> [String] {
    let path = try path(subfolder)
    guard let directory = opendir(path) else { throw Failure(path: path, errno: errno) }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  /// The bytes of one input.
  static func bytes(_ name: String) throws -> [UInt8] {
    let path = try path(name)
    guard let file = fopen(path, "rb") else { throw Failure(path: path, errno: errno) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { break }
      bytes.append(contentsOf: buffer[..<count])
    }
    guard ferror(file) == 0 else { throw Failure(path: path, errno: errno) }
    return bytes
  }

  private static func path(_ name: String) throws -> String {
    guard let folder else { throw Failure(path: name, errno: ENOENT) }
    return folder + "/" + name
  }

  struct Failure: Error {
    let path: String
    let errno: Int32
  }
}
