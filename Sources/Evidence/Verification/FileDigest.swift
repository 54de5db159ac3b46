import Crypto
import Files
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

#if canImport(Glibc)
  import Glibc
#endif

/// The SHA-256 and the length of a file, read piece by piece.
package enum FileDigest {
  /// Opens a file of a bundle for reading: one that lies in its folder. What is a link, or a pipe that would have to be
  /// waited for, is none.
  /// - Throws: `FileError`.
  static func open(_ path: String) throws(FileError) -> Int32 {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError("open", path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw FileError("read anything but a regular file from", path, code: EINVAL)
    }
    return descriptor
  }

  /// - Throws: `FileError` where the file can't be read; a symbolic link is none.
  package static func of(_ path: String) throws(FileError) -> (digest: MerkleTree.Digest, bytes: UInt64) {
    let descriptor = try open(path)
    defer { close(descriptor) }
    var hash = SHA256()
    var count: UInt64 = 0
    while true {
      let chunk = try FileSystem<FileError>.read(descriptor, atMost: 256 << 10, path)
      if chunk.isEmpty { break }
      count += UInt64(chunk.count)
      hash.update(data: chunk)
    }
    guard let digest = MerkleTree.Digest(bytes: Array(hash.finalize())) else {
      preconditionFailure("SHA-256 gives 32 bytes")
    }
    return (digest, count)
  }
}
