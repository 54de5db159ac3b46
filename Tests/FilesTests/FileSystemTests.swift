import Files
import Glibc
import Testing

@Suite struct FileSystemTests {
  private typealias FileSystem = Files.FileSystem<FileError>

  private func withFolder(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/daybook-files-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
      for name in (try? FileSystem.names(in: folder)) ?? [] {
        unlink("\(folder)/\(name)")
        rmdir("\(folder)/\(name)")
      }
      rmdir(folder)
    }
    try body(folder)
  }

  @Test func `what isn't there is nil, and every other failure names the path and the system's reason`() throws {
    try withFolder { folder in
      #expect(try FileSystem.read(folder + "/none") == nil)
      #expect(try FileSystem.names(in: folder + "/none") == nil)
      #expect(try FileSystem.identity(folder + "/none") == nil)
      try FileSystem.remove(folder + "/none")
      let error = try #require(throws: FileError.self) { _ = try FileSystem.read(folder) }
      #expect(error.path == folder && error.code == EISDIR)
      #expect(error.description == "Can't read \(folder): Is a directory.")
    }
  }

  @Test func `a replaced file holds the new bytes, is its owner's alone, and leaves no other file behind`() throws {
    try withFolder { folder in
      let path = folder + "/file"
      for bytes in [[UInt8](repeating: 1, count: 200_000), [2, 3], []] {
        try FileSystem.replace(path, with: bytes, syncing: true)
        #expect(try FileSystem.read(path) == bytes)
      }
      var status = stat()
      #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
      #expect(try FileSystem.names(in: folder) == ["file"])
    }
  }

  @Test func `a file is created once, and erased to zeros of the same length`() throws {
    try withFolder { folder in
      let path = folder + "/key"
      try FileSystem.create(path, [9, 9, 9])
      let error = try #require(throws: FileError.self) { try FileSystem.create(path, [1]) }
      #expect(error.code == EEXIST)
      try FileSystem.erase(path)
      #expect(try FileSystem.read(path) == [0, 0, 0])
    }
  }

  @Test func `overwriting a longer file leaves nothing of it`() throws {
    try withFolder { folder in
      let path = folder + "/head"
      try FileSystem.overwrite(path, with: [1, 2, 3, 4], syncing: false)
      try FileSystem.overwrite(path, with: [5, 6], syncing: true)
      #expect(try FileSystem.read(path) == [5, 6])
    }
  }

  @Test func `a folder is made with those above it; a file in its place is an error`() throws {
    try withFolder { folder in
      try FileSystem.makeFolder(folder + "/a")
      try FileSystem.makeFolder(folder + "/a")
      #expect(FileSystem.isFolder(folder + "/a"))
      try FileSystem.create(folder + "/file", [])
      let error = try #require(throws: FileError.self) { try FileSystem.makeFolder(folder + "/file") }
      #expect(error.code == EEXIST)
    }
  }

  @Test func `a lock has one holder, says who it is, and is free once released`() throws {
    try withFolder { folder in
      let path = folder + "/lock"
      let first = try #require(try FileLock.take(path, as: FileError.self))
      try first.write("somebody", as: FileError.self)
      #expect(try FileLock.take(path, as: FileError.self) == nil)
      #expect(FileSystem.text(path) == "somebody")
      first.release()
      first.release()
      let second = try #require(try FileLock.take(path, as: FileError.self))
      try second.write("else", as: FileError.self)
      #expect(FileSystem.text(path) == "else")
    }
  }
}
