import BasicTypes
import CanonicalJSON
import Foundation
import Testing

@testable import Vault

@Suite struct ExportTests {
  let test: TestVault
  let vault: Vault
  let file: String

  init() throws {
    test = try TestVault()
    vault = try test.open()
    file = test.base + "/keys.export"
  }

  @Test func `An export makes the vault again, with the root key`() throws {
    let tokens = try [alice, acme, november].map { try vault.seal("secret", for: $0) }
    let gone = try vault.seal("gone", for: bob)
    try vault.destroy([bob])
    try vault.exportKeys(to: file)
    #expect(try test.mode(file) == 0o600)
    let elsewhere = test.base + "/restored/vault"
    #expect(
      try errorCode { try Vault.importKeys(from: file, into: elsewhere) } == .rootKeyMissing)
    try Vault.importKeys(from: file, into: elsewhere, rootKeyFile: test.rootKeyFile)
    let restored = try Vault.open(folder: elsewhere, rootKeyFile: test.rootKeyFile)
    for token in tokens { #expect(try restored.open(token) == .value("secret")) }
    #expect(try restored.open(gone) == .erased)
    #expect(restored.verifierKey == vault.verifierKey)
    #expect(restored.lookupHash("a", [1]) == vault.lookupHash("a", [1]))
    #expect(try test.mode(elsewhere) == 0o700)
    // The restored vault goes on by itself.
    let more = try restored.seal("more", for: .subject(Identifier(high: 77, low: 1)))
    #expect(try restored.destroy([alice]) == 1)
    #expect(try restored.open(more) == .value("more"))
  }

  @Test func `An import never replaces a vault, and an export never a file`() throws {
    try vault.exportKeys(to: file)
    #expect(try errorCode { try Vault.importKeys(from: file, into: test.folder) } == .vaultExists)
    #expect(try errorCode { try vault.exportKeys(to: file) } == .io(17))
  }

  @Test func `A changed or cut export is refused`() throws {
    for owner in [alice, acme] { _ = try vault.seal("secret", for: owner) }
    try vault.exportKeys(to: file)
    let whole = try Array(Data(contentsOf: URL(fileURLWithPath: file)))
    let elsewhere = test.base + "/restored/vault"
    func attempt(_ bytes: [UInt8]) throws -> VaultError.Code? {
      try Data(bytes).write(to: URL(fileURLWithPath: file))
      return try errorCode { try Vault.importKeys(from: file, into: elsewhere, rootKeyFile: test.rootKeyFile) }
    }
    for index in stride(from: 0, to: whole.count, by: 3) {
      var changed = whole
      changed[index] ^= 0x01
      let code = try attempt(changed)
      // A changed fingerprint of the root key can only read as another root key.
      #expect(code == .storeDamaged || code == .rootKeyWrong, "byte \(index)")
      #expect(try attempt(Array(whole[..<index])) == .storeDamaged)
    }
    var lines = whole.split(separator: 0x0A).map { Array($0) + [0x0A] }
    lines.remove(at: lines.count - 2)
    #expect(try attempt(lines.flatMap(\.self)) == .storeDamaged)
    #expect(!FileManager.default.fileExists(atPath: elsewhere))
    #expect(try attempt(whole) == nil)
  }

  @Test func `The status tells an export that is behind or dead`() throws {
    #expect(vault.status().lastExport == nil)
    #expect(!vault.status().isLastExportDead)
    _ = try vault.seal("x", for: alice)
    #expect(vault.status().keysNotExported == 3)
    try vault.exportKeys(to: file)
    #expect(vault.status().lastExport != nil)
    #expect(vault.status().keysNotExported == 0)
    _ = try vault.seal("x", for: bob)
    #expect(vault.status().keysNotExported == 1)
    #expect(!vault.status().isLastExportDead)
    try vault.destroy([alice])
    #expect(vault.status().isLastExportDead)
    #expect(vault.status().keysNotExported == 3)
    vault.close()
    #expect(try test.open().status().isLastExportDead)
  }

  @Test func `An export of a read-only vault holds what is on disk`() throws {
    let token = try vault.seal("x", for: alice)
    try vault.persistPendingKeys()
    try Vault.openReadOnly(folder: test.folder).exportKeys(to: file)
    let elsewhere = test.base + "/restored/vault"
    try Vault.importKeys(from: file, into: elsewhere, rootKeyFile: test.rootKeyFile)
    #expect(try Vault.open(folder: elsewhere, rootKeyFile: test.rootKeyFile).open(token) == .value("x"))
  }
}
