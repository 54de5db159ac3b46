import CanonicalJSON
import Testing

@testable import Vault

/// The signed head that a vault keeps: two records in one file, in turn.
@Suite struct KeptHeadTests {
  private let test: TestVault
  private let vault: Vault

  init() throws {
    test = try TestVault()
    vault = try test.open()
  }

  /// The notes of both records; empty where a record holds none.
  private func notes() throws -> [String] {
    try vault.keptHead.records().map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  @Test func `each record is written without touching the other, and survives the vault`() throws {
    #expect(try notes() == ["", ""])
    try vault.keptHead.write("first", to: 0)
    #expect(try notes() == ["first", ""])
    try vault.keptHead.write("second, and longer", to: 1)
    try vault.keptHead.write("3rd", to: 0)
    #expect(try notes() == ["3rd", "second, and longer"])
    #expect(try test.bytes("head").count == 1024)
    #expect(try test.mode(test.folder + "/head") == 0o600)
    // A destruction makes every file of the keys anew.
    _ = try vault.seal("x", for: alice)
    try vault.persistPendingKeys()
    try vault.destroy([alice])
    vault.close()
    try test.open().close()
    let reader = try Vault.openReadOnly(folder: test.folder)
    #expect(try reader.keptHead.records() == vault.keptHead.records())
    // Who has the log open may write it, whoever has the keys.
    try reader.keptHead.write("fourth", to: 1)
    #expect(try notes() == ["3rd", "fourth"])
  }

  @Test(arguments: [0, 1, 100, 511, 512, 513, 1023])
  func `what is left of a cut file is kept, and the next note makes it whole`(length: Int) throws {
    let note = String(repeating: "n", count: 500)
    for index in 0...1 { try vault.keptHead.write(note, to: index) }
    try test.write(Array(try test.bytes("head").prefix(length)), to: "head")
    let left = min(500, max(0, length - 512))
    #expect(try notes() == [String(repeating: "n", count: min(500, length)), String(repeating: "n", count: left)])
    try vault.keptHead.write("whole", to: 1)
    #expect(try notes() == [String(repeating: "n", count: min(500, length)), "whole"])
    #expect(try test.bytes("head").count == 1024)
    #expect(try !test.names().contains("head.new"))
  }

  @Test func `a file that is too long is cut to its records`() throws {
    for index in 0...1 { try vault.keptHead.write("note", to: index) }
    try test.write(try test.bytes("head") + [1, 2, 3], to: "head")
    #expect(try notes() == ["note", "note"])
    try vault.keptHead.write("next", to: 0)
    #expect(try notes() == ["next", "note"])
    #expect(try test.bytes("head").count == 1024)
  }

  @Test func `a note that doesn't fit is refused, and nothing is written`() throws {
    try vault.keptHead.write("note", to: 0)
    #expect(throws: VaultError.self) { try vault.keptHead.write(String(repeating: "x", count: 513), to: 0) }
    #expect(throws: VaultError.self) { try vault.keptHead.write("note", to: 2) }
    #expect(try notes() == ["note", ""])
  }
}
