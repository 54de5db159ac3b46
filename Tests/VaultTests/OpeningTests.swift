import BasicTypes
import CanonicalJSON
import Crypto
import Foundation
import Testing

@testable import Vault

@Suite struct OpeningTests {
  let test: TestVault

  init() throws { test = try TestVault() }

  @Test func `The first start makes files that only their owner can use, the root key beside the data folder`() throws {
    let vault = try test.open()
    #expect(try test.mode(test.folder) == 0o700)
    for name in ["keys", "epoch-1.key", "lock"] { #expect(try test.mode("\(test.folder)/\(name)") == 0o600) }
    #expect(try test.mode(test.rootKeyFile) == 0o600)
    let text = try String(contentsOfFile: test.rootKeyFile, encoding: .utf8)
    #expect(text.hasSuffix("\n") && Data(base64Encoded: String(text.dropLast()))?.count == 32)
    #expect(try test.names() == ["epoch-1.key", "keys", "lock"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: test.data) == ["vault"])
    #expect(Vault.defaultRootKeyFile(dataFolder: test.data) == test.rootKeyFile)
    #expect(vault.status().epoch == 1)
  }

  @Test func `A relative folder has its root key beside the data folder too`() {
    let here = FileManager.default.currentDirectoryPath
    #expect(Vault.defaultRootKeyFile(dataFolder: "absent/data/") == "\(here)/absent/data.root-key")
    #expect(Vault.defaultRootKeyFile(dataFolder: ".") == "\(here).root-key")
  }

  @Test func `What was sealed before opens after, with the same signing key and hashes`() throws {
    var vault = try test.open()
    let tokens = try [alice, bob, acme, november].map { try vault.seal("secret", for: $0) }
    #expect(vault.hasPendingKeys)
    #expect(vault.status().pendingKeys == 4)
    try vault.persistPendingKeys()
    #expect(!vault.hasPendingKeys)
    let before = try test.bytes("keys")
    try vault.persistPendingKeys()
    #expect(try test.bytes("keys") == before)
    let verifierKey = vault.verifierKey
    let hash = vault.lookupHash("email", Array("ada@example.org".utf8))
    vault.close()

    vault = try test.open()
    for token in tokens { #expect(try vault.open(token) == .value("secret")) }
    #expect(vault.verifierKey == verifierKey)
    #expect(vault.lookupHash("email", Array("ada@example.org".utf8)) == hash)
    // The key found again is the one used again.
    _ = try vault.seal("more", for: alice)
    #expect(!vault.hasPendingKeys)
    let status = vault.status()
    #expect(status.subjectKeys == 2 && status.organizationKeys == 1 && status.expiringKeys == 1)
  }

  @Test func `A key that was never persisted leaves its values locked after a crash`() throws {
    var vault = try test.open()
    let token = try vault.seal("secret", for: alice)
    vault.close()
    vault = try test.open()
    #expect(try vault.open(token) == .locked)
  }

  @Test func `Look-up hashes are 32 bytes and differ by label, by bytes and by vault`() throws {
    let vault = try test.open()
    let hash = vault.lookupHash("email", [1, 2])
    #expect(hash.count == 32)
    #expect(vault.lookupHash("email", [1, 2]) == hash)
    #expect(vault.lookupHash("emai", [108, 1, 2]) != hash)
    #expect(vault.lookupHash("name", [1, 2]) != hash)
    #expect(vault.lookupHash("email", [1, 3]) != hash)
    let other = try TestVault()
    #expect(try other.open().lookupHash("email", [1, 2]) != hash)
  }

  @Test func `A vault whose root key is missing is refused by that file's name, and no new key is made`() throws {
    try test.open().close()
    try FileManager.default.removeItem(atPath: test.rootKeyFile)
    let error = #expect(throws: VaultError.self) { try test.open() }
    #expect(error?.code == .rootKeyMissing)
    #expect(error?.message.contains(test.rootKeyFile) == true)
    #expect(!FileManager.default.fileExists(atPath: test.rootKeyFile))
  }

  @Test func `A root key file that was named must exist, on the first start too`() throws {
    let named = test.base + "/named"
    let error = #expect(throws: VaultError.self) { _ = try Vault.open(folder: test.folder, rootKeyFile: named) }
    #expect(error?.code == .rootKeyMissing && error?.message.contains("head -c 32 /dev/urandom") == true)
    #expect(!FileManager.default.fileExists(atPath: test.folder))
    try makeRootKey(named)
    try Vault.open(folder: test.folder, rootKeyFile: named).close()
    #expect(!FileManager.default.fileExists(atPath: test.rootKeyFile))
    _ = try Vault.open(folder: test.folder, rootKeyFile: named)
  }

  @Test func `Another root key is refused as wrong, and broken ones too`() throws {
    try test.open().close()
    let other = test.base + "/other"
    try makeRootKey(other)
    let error = #expect(throws: VaultError.self) { try Vault.open(folder: test.folder, rootKeyFile: other) }
    #expect(error?.code == .rootKeyWrong)
    #expect(error?.message.contains(other) == true)
    for text in ["", "short\n", base64([UInt8](repeating: 1, count: 31)) + "\n", "\u{0}\n"] {
      try makeRootKey(other, text)
      #expect(try errorCode { _ = try Vault.open(folder: test.folder, rootKeyFile: other) } == .rootKeyWrong)
    }
    #expect(try errorCode { _ = try Vault.open(folder: test.folder, rootKeyFile: test.base) } == .rootKeyWrong)
  }

  @Test(arguments: [0o640, 0o604, 0o620, 0o644])
  func `A root key that others can use is refused`(mode: Int) throws {
    try test.open().close()
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: test.rootKeyFile)
    let error = #expect(throws: VaultError.self) { try test.open() }
    #expect(error?.code == .rootKeyUnsafe)
    #expect(error?.message.contains(test.rootKeyFile) == true)
    #expect(try errorCode { _ = try Vault.openReadOnly(folder: test.folder) } == .rootKeyUnsafe)
  }

  @Test func `A last line that a crash tore is cut off, at every byte of it`() throws {
    let vault = try test.open()
    _ = try vault.seal("x", for: alice)
    try vault.persistPendingKeys()
    let whole = try test.bytes("keys")
    let token = try vault.seal("y", for: bob)
    try vault.persistPendingKeys()
    let longer = try test.bytes("keys")
    vault.close()
    for count in stride(from: whole.count + 1, to: longer.count, by: 7) {
      try test.write(Array(longer[..<count]), to: "keys")
      #expect(try Vault.openReadOnly(folder: test.folder).status().subjectKeys == 1)
      let again = try test.open()
      #expect(try test.bytes("keys") == whole)
      #expect(try again.open(token) == .locked)
      again.close()
    }
    // What follows the cut is in its place.
    let again = try test.open()
    let late = try again.seal("z", for: bob)
    try again.persistPendingKeys()
    again.close()
    #expect(try test.open().open(late) == .value("z"))
  }

  @Test func `Any other damage to the store is an error that names the line`() throws {
    let vault = try test.open()
    for owner in [alice, acme, november] { _ = try vault.seal("x", for: owner) }
    try vault.destroy([bob])
    vault.close()
    let whole = try test.bytes("keys")
    let lines = whole.split(separator: 0x0A).count
    #expect(lines == 7)
    var line = 1
    for index in whole.indices {
      defer { line += whole[index] == 0x0A ? 1 : 0 }
      guard index % 5 == 0, index != whole.count - 1 else { continue }
      var damaged = whole
      damaged[index] ^= 0x01
      try test.write(damaged, to: "keys")
      let error = try #require(throws: VaultError.self) { try Vault.openReadOnly(folder: test.folder) }
      #expect(error.code == .storeDamaged)
      #expect(line == 1 || error.message.contains("Line \(line) of \(test.folder)/keys"), "\(error)")
    }
  }

  @Test func `A store with a line removed, moved or repeated is refused`() throws {
    let vault = try test.open()
    for owner in [alice, acme, november] { _ = try vault.seal("x", for: owner) }
    try vault.persistPendingKeys()
    vault.close()
    let lines = try test.bytes("keys").split(separator: 0x0A).map(Array.init)
    func attempt(_ lines: [[UInt8]]) throws -> VaultError.Code? {
      try test.write(lines.flatMap { $0 + [0x0A] }, to: "keys")
      return try errorCode { _ = try Vault.openReadOnly(folder: test.folder) }
    }
    #expect(try attempt(lines) == nil)
    for index in lines.indices.dropLast() {
      var changed = lines
      changed.remove(at: index)
      #expect(try attempt(changed) == .storeDamaged)
      changed = lines
      changed.swapAt(index, index + 1)
      #expect(try attempt(changed) == .storeDamaged)
      changed = lines
      changed.insert(lines[index], at: index)
      #expect(try attempt(changed) == .storeDamaged)
    }
    #expect(try attempt([]) == .storeDamaged)
    #expect(try attempt([lines[0]]) == .storeDamaged)
  }

  @Test func `A missing or damaged file of an existing vault is an error, never a new vault`() throws {
    try test.open().close()
    let epochKey = try test.bytes("epoch-1.key")
    var damaged = epochKey
    damaged[damaged.count - 5] ^= 1
    try test.write(damaged, to: "epoch-1.key")
    #expect(try errorCode { _ = try test.open() } == .storeDamaged)
    try FileManager.default.removeItem(atPath: test.folder + "/epoch-1.key")
    #expect(try errorCode { _ = try test.open() } == .storeDamaged)
    try test.write(epochKey, to: "epoch-1.key")
    try FileManager.default.removeItem(atPath: test.folder + "/keys")
    #expect(try errorCode { _ = try test.open() } == .storeDamaged)
  }

  @Test func `A vault whose making was cut short is made anew`() throws {
    try FileManager.default.createDirectory(atPath: test.folder + ".new", withIntermediateDirectories: true)
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: test.folder + ".new/epoch-1.key"))
    try FileManager.default.createDirectory(atPath: test.folder, withIntermediateDirectories: true)
    #expect(try test.open().status().epoch == 1)
    #expect(!FileManager.default.fileExists(atPath: test.folder + ".new"))
  }

  @Test func `One writer at a time, and readers beside it`() throws {
    let writer = try test.open()
    #expect(try errorCode { _ = try test.open() } == .inUse)
    let reader = try Vault.openReadOnly(folder: test.folder)
    let before = try test.bytes("keys")
    let token = try writer.seal("secret", for: alice)
    #expect(try reader.open(token) == .locked)
    try writer.persistPendingKeys()
    #expect(try reader.open(token) == .value("secret"))
    #expect(try test.bytes("keys").count > before.count)

    #expect(try errorCode { _ = try reader.seal("x", for: bob) } == .readOnly)
    #expect(try errorCode { try reader.destroy([alice]) } == .readOnly)
    try writer.destroy([alice])
    let late = try writer.seal("late", for: bob)
    try writer.persistPendingKeys()
    #expect(try reader.open(late) == .value("late"))
    #expect(try reader.open(token) == .erased)
    writer.close()
    #expect(try errorCode { _ = try writer.seal("x", for: acme) } == .readOnly)
    _ = try test.open()
  }

  @Test func `Nothing that an error says holds key bytes`() throws {
    try test.open().close()
    let key = try String(contentsOfFile: test.rootKeyFile, encoding: .utf8).dropLast()
    try makeRootKey(test.rootKeyFile, key + "!\n")
    let error = try #require(throws: VaultError.self) { try test.open() }
    #expect(!"\(error)".contains(key.prefix(8)))
  }

  private func makeRootKey(_ path: String, _ text: String? = nil) throws {
    let text = text ?? base64(SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }) + "\n"
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
  }
}

func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
