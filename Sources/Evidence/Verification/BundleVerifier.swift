import BasicTypes
import CanonicalJSON
import Files
import MerkleTree

#if canImport(Glibc)
  import Glibc
#endif

/// Verifies an evidence bundle by what lies in its folder alone: no server, no network, no key but the public one.
///
/// Memory is bounded by the longest record. What is wrong with the bundle is in the report; only what has nothing to do
/// with it is thrown.
package struct BundleVerifier: Sendable {
  /// A checkpoint of the same log that somebody has kept, to be compared with.
  package struct Kept: Sendable {
    /// What messages call it: the name of its file.
    package var name: String
    /// The signed note.
    package var note: [UInt8]

    /// A kept checkpoint.
    package init(name: String, note: [UInt8]) {
      self.name = name
      self.note = note
    }
  }

  /// How far it has come: of so many bytes.
  package typealias Progress = @Sendable (_ done: UInt64, _ total: UInt64) -> Void

  let folder: String
  var trusted: NoteVerifier?
  let witnesses: [NoteVerifier]
  let policy: TrustPolicy?
  let kept: [Kept]
  let progress: Progress

  var report = BundleReport()
  /// How many bytes the files have that the manifest lists.
  var total: UInt64 = 0
  /// The key that signatures are checked with, once it is known.
  var key: NoteVerifier?
  /// The roots of the sizes that kept checkpoints name, as far as the range gives them.
  var roots: [UInt64: Digest] = [:]

  private init(
    _ folder: String, trusting key: NoteVerifier?, witnesses: [NoteVerifier], policy: TrustPolicy? = nil,
    comparing kept: [Kept], progress: @escaping Progress
  ) {
    self.folder = folder
    trusted = key
    self.witnesses = witnesses
    self.policy = policy
    self.kept = kept
    self.progress = progress
  }

  /// Verifies a bundle.
  /// - Parameters:
  ///   - key: The log's public key, got otherwise than with the bundle; without one, that of the bundle is used, and
  ///     the report says so.
  ///   - witnesses: The public keys of those who cosign checkpoints; each must have cosigned the bundle's.
  ///   - policy: The logs, one of which the bundle must be of, and the witnesses and their quorum, which must have
  ///     cosigned its checkpoint. A policy without logs leaves the key to `key`.
  ///   - kept: Checkpoints that must be of the same log.
  /// - Throws: `FileError` where the folder can't be read.
  package static func verify(
    _ folder: String, trusting key: NoteVerifier? = nil, witnesses: [NoteVerifier] = [], policy: TrustPolicy? = nil,
    comparing kept: [Kept] = [], progress: @escaping Progress = { _, _ in }
  ) throws -> BundleReport {
    var verifier = BundleVerifier(
      folder, trusting: key, witnesses: witnesses, policy: policy, comparing: kept, progress: progress)
    try verifier.run()
    return verifier.report
  }

  /// What the files of a bundle prove whose manifest isn't there yet: all but what it signs and lists.
  static func measure(_ folder: String, as manifest: BundleManifest, key: NoteVerifier) -> BundleReport {
    var verifier = BundleVerifier(folder, trusting: key, witnesses: [], comparing: []) { _, _ in }
    verifier.chooseKey(manifest)
    verifier.checkCheckpoint(manifest)
    verifier.checkRange(manifest)
    return verifier.report
  }

  private mutating func run() throws {
    guard let names = try FileSystem<FileError>.names(in: folder) else {
      throw FileError("read the folder", folder, code: 2)
    }
    if names.contains(BundleFile.state) {
      report.add(EvidenceFault(BundleFile.state, "is there, so this bundle was never finished: run the export again"))
    }
    guard let bytes = read(BundleFile.manifest) else { return }
    let manifest: BundleManifest
    do throws(EvidenceFault) {
      manifest = try BundleManifest(bytes: bytes)
    } catch {
      report.add(error)
      return
    }
    total = manifest.files.reduce(0) { $0 + $1.bytes }
    checkFiles(manifest, among: names)
    chooseKey(manifest)
    checkStatement(manifest, digest: bytes.withUnsafeBytes { RFC6962.sha256($0) })
    checkCheckpoint(manifest)
    checkRange(manifest)
    checkKept(manifest)
    tellLimits(manifest)
    progress(total, total)
  }

  /// The files that are read whole have at most so many bytes.
  private static let mostBytes = 64 << 20

  /// The path of a file of the bundle.
  func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// The bytes of a small file of the bundle; nil, and a fault, where it isn't there.
  mutating func read(_ name: String) -> [UInt8]? {
    do throws(FileError) {
      let descriptor = try FileDigest.open(path(name))
      defer { close(descriptor) }
      var bytes: [UInt8] = []
      while bytes.count <= BundleVerifier.mostBytes {
        let chunk = try FileSystem<FileError>.read(descriptor, atMost: 64 << 10, path(name))
        if chunk.isEmpty { return bytes }
        bytes += chunk
      }
      report.add(EvidenceFault(name, "is larger than any such file is"))
    } catch {
      report.add(EvidenceFault(name, error.code == ENOENT ? "is missing" : "can't be read: \(error)"))
    }
    return nil
  }

  /// Compares each file with the manifest, and the folder with its list.
  private mutating func checkFiles(_ manifest: BundleManifest, among names: [String]) {
    let before = report.faults.count
    let known = manifest.files.map(\.name)
    for name in names where name != BundleFile.manifest && name != BundleFile.note && name != BundleFile.state {
      if !known.contains(name) { report.add(EvidenceFault(name, "is in the folder, and the manifest doesn't know it")) }
    }
    for name in BundleFile.needed where !known.contains(name) {
      report.add(EvidenceFault(BundleFile.manifest, "doesn't list \(name), without which nothing can be verified"))
    }
    var done: UInt64 = 0
    for file in manifest.files {
      do throws(FileError) {
        let found = try FileDigest.of(path(file.name))
        if found.bytes != file.bytes || found.digest != file.digest {
          report.add(
            EvidenceFault(
              file.name,
              "is not the file that the manifest lists: its SHA-256 is \(found.digest.hex), not \(file.digest.hex)"))
        }
      } catch {
        report.add(EvidenceFault(file.name, error.code == 2 ? "is missing" : "can't be read: \(error)"))
      }
      done += file.bytes
      progress(done / 2, total)
    }
    if report.faults.count == before {
      report.prove(.files, "Each of the \(manifest.files.count) files has the SHA-256 that the manifest lists.")
    }
  }
}

extension BundleFile {
  /// The files that a bundle must have, besides the manifest and its note.
  package static let needed = [checkpoint, verifierKey, headers, events, proofs]
}
