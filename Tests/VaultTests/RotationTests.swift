import BasicTypes
import CanonicalJSON
import Failpoints
import Foundation
import Testing

@testable import Vault

#if canImport(Glibc)
  import Glibc
#endif

/// New root keys and data keys, and the list of who was erased.
@Suite struct RotationTests {
  let test: TestVault

  init() throws { test = try TestVault() }

  private func rootKey() throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: test.rootKeyFile))) }

  private func files() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: test.base).sorted()
  }

  @Test func `a new root key takes the old one's place, and opens everything`() throws {
    let vault = try test.open()
    let token = try vault.seal("kept", for: alice)
    let erased = try vault.seal("gone", for: bob)
    try vault.destroy([bob])
    try vault.persistPendingKeys()
    let signer = vault.verifierKey
    let hash = vault.lookupHash("email", [1])
    let oldLine = try #require(vault.snapshot.records.last?.wrapped)
    let export = test.base + "/before.keys"
    try vault.exportKeys(to: export)
    vault.close()
    let old = try rootKey()

    let rotation = try Vault.rotateKeys(folder: test.folder)
    #expect(rotation == KeyRotation(epoch: 3, wrappedKeys: 3, newDataKeys: 0, rootKeyFile: test.rootKeyFile))
    #expect(try rootKey() != old)
    #expect(try test.mode(test.rootKeyFile) == 0o600)
    #expect(try !test.holds(old))
    let again = try test.open()
    #expect(try again.open(token) == .value("kept"))
    #expect(try again.open(erased) == .erased)
    #expect(again.verifierKey == signer)
    #expect(again.lookupHash("email", [1]) == hash)
    #expect(again.status().isLastExportDead)
    #expect(try !String(decoding: test.bytes("keys"), as: UTF8.self).contains(base64(oldLine)))
    #expect(try test.names() == ["epoch-3.key", "keys", "last-export", "lock"])
    again.close()
    // What was exported before opens with the old key alone.
    #expect(
      try errorCode {
        try Vault.importKeys(from: export, into: test.base + "/new/vault", rootKeyFile: test.rootKeyFile)
      }
        == .rootKeyWrong)
    #expect(try files() == ["before.keys", "data", "data.root-key"])
  }

  @Test func `a new root key in a file of its own leaves the old file, which opens nothing`() throws {
    let vault = try test.open()
    let token = try vault.seal("kept", for: alice)
    try vault.persistPendingKeys()
    vault.close()
    let old = try rootKey()
    let file = test.base + "/second"
    #expect(try Vault.rotateKeys(folder: test.folder, newRootKeyFile: file).rootKeyFile == file)
    #expect(try rootKey() == old)
    #expect(try errorCode { _ = try test.open() } == .rootKeyWrong)
    let opened = try Vault.open(folder: test.folder, rootKeyFile: file)
    #expect(try opened.open(token) == .value("kept"))
    opened.close()
    #expect(
      try errorCode { _ = try Vault.rotateKeys(folder: test.folder, rootKeyFile: file, newRootKeyFile: file) }
        == .rootKeyWrong)
  }

  @Test func `new data keys seal from then on, and an erasure takes old and new ones`() throws {
    let vault = try test.open()
    let before = try vault.seal("before", for: alice)
    let secret = try vault.seal("secret", for: acme)
    let line = try vault.seal("line", for: november)
    _ = try vault.seal("gone", for: bob)
    try vault.destroy([bob])
    vault.close()
    #expect(try Vault.rotateKeys(folder: test.folder, renewingDataKeys: true).newDataKeys == 2)
    let again = try test.open()
    let after = try again.seal("after", for: alice)
    #expect(try SealedToken(after).keyVersion == 2)
    #expect(try SealedToken(after).keyID != SealedToken(before).keyID)
    #expect(!again.hasPendingKeys)
    for (token, value) in [(before, "before"), (after, "after"), (secret, "secret"), (line, "line")] {
      #expect(try again.open(token) == .value(.string(value)))
    }
    #expect(try errorCode { _ = try again.seal("x", for: bob) } == .erased)
    #expect(try again.destroy([alice]) == 2)
    #expect(try again.open(before) == .erased)
    #expect(try again.open(after) == .erased)
  }

  @Test func `beside a server nothing is rotated`() throws {
    let vault = try test.open()
    #expect(try errorCode { _ = try Vault.rotateKeys(folder: test.folder) } == .inUse)
    #expect(try files() == ["data", "data.root-key"])
    _ = vault
  }

  @Test(arguments: Failpoint.of(.rotation) + Failpoint.of(.destruction))
  func `a crash at any step leaves a vault that opens, under the old key or the new one`(point: Failpoint) async throws
  {
    let vault = try test.open()
    let token = try vault.seal("kept", for: alice)
    try vault.persistPendingKeys()
    vault.close()
    let old = try rootKey()
    let folder = test.folder
    await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String, point = point as Failpoint] in
      _ = try Vault.rotateKeys(folder: folder, failpoints: Failpoints(parsing: "\(point.rawValue):kill"))
    }
    let undone: Set<Failpoint> = [
      .rotationRootKeyMade, .destructionEpochKeyWritten, .destructionStoreWritten, .destructionStoreLinked,
    ]
    for _ in 0..<2 {
      let reader = try Vault.openReadOnly(folder: folder)
      #expect(try reader.open(token) == .value("kept"))
      let vault = try test.open()
      #expect(try vault.open(token) == .value("kept"))
      #expect(vault.status().epoch == (undone.contains(point) ? 1 : 2))
      #expect(try (rootKey() == old) == undone.contains(point))
      #expect(try test.holds(old) == undone.contains(point))
      #expect(try files() == ["data", "data.root-key"])
      vault.close()
    }
    // The vault of a crash can be rotated like any other.
    _ = try Vault.rotateKeys(folder: folder)
    #expect(try test.open().open(token) == .value("kept"))
  }

  @Test func `the list of who was erased erases them again in older keys`() throws {
    let vault = try test.open()
    let gone = try [alice, november, acme].map { try vault.seal("gone", for: $0) }
    let kept = try vault.seal("kept", for: bob)
    try vault.persistPendingKeys()
    let export = test.base + "/old.keys"
    try vault.exportKeys(to: export)
    let carol = KeyOwner.subject(Identifier(high: 9, low: 9))
    try vault.destroy([alice, november])
    try vault.destroy([acme, carol])
    let file = test.base + "/erasures"
    #expect(try vault.writeErasures(to: file) == 4)
    let list = try ErasureList(contentsOf: file)
    #expect(Set(list.owners) == [alice, november, acme, carol])
    #expect(try errorCode { _ = try vault.writeErasures(to: file) } != nil)
    vault.close()

    let folder = test.base + "/new/vault"
    try Vault.importKeys(from: export, into: folder, rootKeyFile: test.rootKeyFile)
    let restored = try Vault.open(folder: folder, rootKeyFile: test.rootKeyFile)
    #expect(try restored.open(gone[0]) == .value("gone"))
    #expect(try restored.destroy(list.owners) == 3)
    for token in gone { #expect(try restored.open(token) == .erased) }
    #expect(try restored.open(kept) == .value("kept"))
    #expect(try errorCode { _ = try restored.seal("x", for: carol) } == .erased)
  }

  @Test func `a list that was cut or changed is refused with its line`() throws {
    let vault = try test.open()
    _ = try vault.seal("gone", for: alice)
    try vault.destroy([alice])
    let file = test.base + "/erasures"
    _ = try vault.writeErasures(to: file)
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map(String.init)
    let cases: [(lines: [String], line: Int)] = [
      (Array(lines.dropLast()), 2), ([lines[0], lines[2]], 2), ([lines[1], lines[2]], 1),
      ([lines[0], lines[1].replacingOccurrences(of: "subject", with: "other"), lines[2]], 2), ([], 1),
    ]
    for (index, broken) in cases.enumerated() {
      let path = "\(test.base)/broken\(index)"
      try (broken.lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
      do {
        _ = try ErasureList(contentsOf: path)
        Issue.record("case \(index) was read")
      } catch let error as VaultError {
        #expect(error.message.contains("Line \(broken.line) of"), "case \(index): \(error.message)")
      }
    }
  }
}
