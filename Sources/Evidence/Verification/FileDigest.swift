import Crypto
import Files
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// The SHA-256 and the length of a file, read piece by piece.
package enum FileDigest {
  /// - Throws: `FileError` where the file can't be read; a symbolic link is none.
  package static func of(_ path: String) throws(FileError) -> (digest: MerkleTree.Digest, bytes: UInt64) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw FileError("open", path) }
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
