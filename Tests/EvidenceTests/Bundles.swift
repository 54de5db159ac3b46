import CanonicalJSON
import Evidence
import Foundation
import MerkleTree
import TestBasics
import Testing

/// What a verifier says of a bundle.
struct Verdict: Sendable {
  let isProved: Bool
  let faults: [JSON]
  let proved: [String]
  let notProved: [String]

  init(_ json: JSON) {
    isProved = json["verified"] == true
    faults = json["faults"]?.arrayValue ?? []
    proved = (json["proved"]?.arrayValue ?? []).compactMap(\.stringValue)
    notProved = (json["not_proved"]?.arrayValue ?? []).compactMap(\.stringValue)
  }

  /// The files that are at fault.
  var files: Set<String> { Set(faults.compactMap { $0["file"]?.stringValue }) }

  /// The positions that are at fault in a file.
  func positions(in file: String) -> [Int64] {
    faults.filter { $0["file"]?.stringValue == file }.compactMap { $0["position"]?.integerValue }
  }
}

/// The verifier of the program, and the one in Python, which shares no code with it.
enum Verifiers {
  static func swift(
    _ folder: String, key: NoteVerifier?, witnesses: [NoteVerifier] = [], policy: TrustPolicy? = nil,
    kept: [String] = []
  ) throws -> Verdict {
    let report = try BundleVerifier.verify(
      folder, trusting: key, witnesses: witnesses, policy: policy,
      comparing: kept.map { BundleVerifier.Kept(name: $0, note: Array(try Data(contentsOf: URL(fileURLWithPath: $0)))) }
    )
    return Verdict(.object(report.json))
  }

  static func python(
    _ folder: String, key: NoteVerifier?, witnesses: [NoteVerifier] = [], policy: TrustPolicy? = nil,
    kept: [String] = [], in temporary: TemporaryFolder
  ) async throws -> Verdict {
    var command = ["python3", Repository.root + "/tools/verify_bundle.py", folder, "--json"]
    if let key { command += ["--key", key.vkey] }
    for witness in witnesses { command += ["--witness", witness.vkey] }
    if let policy {
      try Data(policy.serialized).write(to: URL(fileURLWithPath: temporary.path + "/policy"))
      command += ["--policy", temporary.path + "/policy"]
    }
    for path in kept { command += ["--checkpoint", path] }
    let result = try await runProgram(command, in: temporary)
    let verdict = Verdict(try result.json())
    #expect(result.status == .code(verdict.isProved ? 0 : 2), "\(result.errors)")
    return verdict
  }

  /// Both verdicts, which must agree on whether it is proved, and say which files are at fault.
  static func both(
    _ folder: String, key: NoteVerifier?, witnesses: [NoteVerifier] = [], policy: TrustPolicy? = nil,
    kept: [String] = [], in temporary: TemporaryFolder, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> [Verdict] {
    let verdicts = [
      try swift(folder, key: key, witnesses: witnesses, policy: policy, kept: kept),
      try await python(folder, key: key, witnesses: witnesses, policy: policy, kept: kept, in: temporary),
    ]
    #expect(verdicts[0].isProved == verdicts[1].isProved, "\(verdicts)", sourceLocation: sourceLocation)
    #expect(verdicts[0].files == verdicts[1].files, "\(verdicts)", sourceLocation: sourceLocation)
    return verdicts
  }
}

/// A folder for bundles, which is gone after the body.
func withBundles(_ body: (TemporaryFolder) async throws -> Void) async throws {
  let folder = try TemporaryFolder()
  try await closing({ try await body(folder) }, { try await folder.destroy() })
}

/// A copy of a bundle, to be changed.
func copy(_ bundle: String, to path: String) throws {
  if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
  try FileManager.default.copyItem(atPath: bundle, toPath: path)
}

func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

func write(_ bytes: [UInt8], to path: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

/// The lines of a file, without their line breaks.
func lines(_ path: String) throws -> [String] {
  String(decoding: try bytes(path), as: UTF8.self).split(separator: "\n").map(String.init)
}

func write(lines: [String], to path: String) throws {
  try write(Array((lines.joined(separator: "\n") + "\n").utf8), to: path)
}
