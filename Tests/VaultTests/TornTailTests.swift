import BasicTypes
import CanonicalJSON
import Foundation
import Testing

@testable import Vault

/// What a power cut leaves of the last keys, which nothing that was acknowledged needs.
@Suite struct TornTailTests {
  let test: TestVault

  init() throws { test = try TestVault() }

  /// A store, and the same with three more keys that were appended at once.
  private func appended() throws -> (before: [UInt8], after: [UInt8], token: JSON) {
    let vault = try test.open()
    let token = try vault.seal("kept", for: alice)
    try vault.persistPendingKeys()
    let before = try test.bytes("keys")
    for owner in [bob, acme, november] { _ = try vault.seal("x", for: owner) }
    try vault.persistPendingKeys()
    defer { vault.close() }
    return (before, try test.bytes("keys"), token)
  }

  /// The append with a part of it that never reached the disk; later parts did.
  private static func torn(_ whole: (before: [UInt8], after: [UInt8], token: JSON), part: Int) -> [UInt8] {
    let size = whole.after.count - whole.before.count
    var bytes = whole.after
    let start = whole.before.count + size * part / 8
    for index in start..<(start + size / 8) { bytes[index] = 0 }
    return bytes
  }

  @Test(arguments: 0..<7) func `a torn append is cut off where nothing needs its keys`(part: Int) throws {
    let whole = try appended()
    let torn = Self.torn(whole, part: part)
    try test.write(torn, to: "keys")
    #expect(try errorCode { _ = try test.open() } == .storeDamaged)
    #expect(try errorCode { _ = try Vault.open(folder: test.folder) { _ in false } } == .storeDamaged)
    #expect(try test.bytes("keys") == torn, "nothing is cut off unasked")
    let vault = try Vault.open(folder: test.folder) { sound in
      #expect(sound.isReadOnly)
      let opened = try sound.open(whole.token)
      #expect(opened == .value("kept"))
      return true
    }
    let left = try test.bytes("keys")
    #expect(left.starts(with: whole.before))
    #expect(whole.after.starts(with: left))
    // The next key is in its place.
    let token = try vault.seal("late", for: bob)
    try vault.persistPendingKeys()
    vault.close()
    let again = try test.open()
    #expect(try again.open(token) == .value("late"))
    #expect(try again.open(whole.token) == .value("kept"))
  }

  @Test func `lines of a destruction are never cut off`() throws {
    let vault = try test.open()
    _ = try vault.seal("x", for: alice)
    try vault.persistPendingKeys()
    try vault.destroy([alice, bob])
    vault.close()
    let whole = try test.bytes("keys")
    let lines = whole.split(separator: 0x0A, omittingEmptySubsequences: false)
    // The line of the key that was destroyed, before the fence of the other person.
    var damaged = whole
    damaged[lines[3].startIndex + 8] ^= 1
    try test.write(damaged, to: "keys")
    #expect(try errorCode { _ = try Vault.open(folder: test.folder) { _ in true } } == .storeDamaged)
    #expect(try test.bytes("keys") == damaged)
  }

  @Test func `the line of a destruction stays one when it is no JSON any more`() throws {
    let vault = try test.open()
    _ = try vault.seal("x", for: alice)
    try vault.persistPendingKeys()
    try vault.destroy([bob])
    vault.close()
    var damaged = try test.bytes("keys")
    // The fence of the person who never had a key is the last line; its closing brace goes.
    damaged[damaged.count - 2] ^= 1
    try test.write(damaged, to: "keys")
    #expect(try errorCode { _ = try Vault.open(folder: test.folder) { _ in true } } == .storeDamaged)
    #expect(try test.bytes("keys") == damaged)
  }

  @Test func `a root key that was never written to its end is made anew, as long as there is no vault`() throws {
    try FileManager.default.createDirectory(atPath: test.base, withIntermediateDirectories: true)
    for left in [test.rootKeyFile, test.rootKeyFile + ".new"] {
      try Data().write(to: URL(fileURLWithPath: left))
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: left)
    }
    try test.open().close()
    #expect(!FileManager.default.fileExists(atPath: test.rootKeyFile + ".new"))
    #expect(try test.mode(test.rootKeyFile) == 0o600)
    try test.open().close()
    try Data().write(to: URL(fileURLWithPath: test.rootKeyFile))
    #expect(try errorCode { _ = try test.open() } == .rootKeyWrong)
    #expect(try Data(contentsOf: URL(fileURLWithPath: test.rootKeyFile)).isEmpty, "an existing vault gets no new key")
  }

  @Test func `half a root key under its first name is written over`() throws {
    try Data("abc".utf8).write(to: URL(fileURLWithPath: test.rootKeyFile + ".new"))
    try test.open().close()
    try test.open().close()
    #expect(try test.mode(test.rootKeyFile) == 0o600)
  }

  @Test func `two that make the first root key at once have the same`() async throws {
    let path = test.base + "/shared.root-key"
    let fingerprints = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<8 { group.addTask { try RootKey.create(path).fingerprint } }
      var found: Set<String> = []
      for try await fingerprint in group { found.insert(fingerprint) }
      return found
    }
    #expect(fingerprints == [try #require(try RootKey.read(path)).fingerprint])
  }
}
