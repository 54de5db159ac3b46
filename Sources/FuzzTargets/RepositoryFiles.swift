import Files

/// The files of the repository from which seeds are made.
struct RepositoryFiles {
  let root: String

  /// The bytes of a file.
  func bytes(_ path: String) throws -> [UInt8] {
    guard let bytes = try FileSystem<FileError>.read("\(root)/\(path)") else {
      throw FileError("read", "\(root)/\(path)", code: 2)
    }
    return bytes
  }

  /// The names in a folder that end so, in order.
  func names(in folder: String, ending: String) throws -> [String] {
    (try FileSystem<FileError>.names(in: "\(root)/\(folder)") ?? []).filter { $0.hasSuffix(ending) }.sorted()
  }
}
