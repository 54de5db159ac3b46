import BasicTypes
import CanonicalJSON
import Crypto
import Foundation
import Testing

@testable import Vault

@Suite struct SealingTests {
  let test: TestVault
  let vault: Vault

  init() throws {
    test = try TestVault()
    vault = try test.open()
  }

  @Test(arguments: [
    JSON.null, true, 0, -7, 0.25, "", "ada@example.org", "\u{0}\u{7f}é😀", ["a", 1, [nil]], ["b": 1, "a": ["x": nil]],
  ])
  func `Every kind of value comes back as it was sealed`(value: JSON) throws {
    for owner in [alice, acme, november] {
      let token = try vault.seal(value, for: owner)
      #expect(Vault.isSealed(token))
      #expect(try vault.open(token) == .value(value))
      #expect(vault.owner(of: token) == owner)
      #expect(Vault.eventID(of: token) == place.eventID)
    }
  }

  @Test func `A token opens wherever it is copied to, by its text alone`() throws {
    let token = try vault.seal("secret", for: alice)
    let copied = try JSON.parse((["was": ["email": token]] as JSON).canonicalBytes)
    let inner = try #require(copied["was"]?["email"])
    #expect(try vault.open(inner) == .value("secret"))
  }

  @Test func `A token holds the plaintext in no form and never looks the same twice`() throws {
    let first = try vault.seal("ada@example.org", for: alice)
    let second = try vault.seal("ada@example.org", for: alice)
    #expect(first != second)
    let bytes = try SealedToken(first).bytes
    #expect(!String(decoding: bytes, as: UTF8.self).contains("ada@example.org"))
    #expect(bytes.count == 1 + 16 + 4 + 16 + 12 + "\"ada@example.org\"".utf8.count + 16)
  }

  @Test func `A token is opened by its published format alone`() throws {
    let token = try vault.seal("secret", for: alice)
    let store = vault.snapshot
    let record = try #require(store.newest(of: alice))
    let key = try #require(record.unwrap(epoch: store.epoch, epochKey: store.epochKey))
    let text = try #require(token["$sealed"]?.stringValue)
    let bytes = Array(try #require(Data(base64Encoded: text)))
    let bound =
      [1] + record.id.bytes + [0, 0, 0, 1] + place.eventID.bytes + place.resourceID.bytes + [0, 0, 0, 5]
      + Array("email".utf8)
    #expect(Array(bytes[..<37]) == Array(bound[..<37]))
    let messageKey = HKDF<SHA256>.expand(
      pseudoRandomKey: key, info: Array("daybook sealed value".utf8) + bound, outputByteCount: 32)
    let box = try AES.GCM.SealedBox(combined: bytes[37...])
    #expect(try AES.GCM.open(box, using: messageKey, authenticating: bound) == Data("\"secret\"".utf8))
  }

  @Test(arguments: [0, 1, 55, 56, 63, 64, 65, 300])
  func `The keyed hash is HMAC-SHA256`(count: Int) {
    let key = SymmetricKey(size: .bits256)
    let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    let hash = KeyedHash(key)
    for _ in 0..<2 {
      #expect(
        hash.code(message) { Array($0) } == Array(HMAC<SHA256>.authenticationCode(for: message, using: key)))
      #expect(
        hash.code(message, [1]) { Array($0) }
          == Array(HMAC<SHA256>.authenticationCode(for: message + [1], using: key)))
    }
  }

  @Test func `No nonce comes twice`() {
    var pool = NoncePool()
    let nonces = (0..<1000).map { _ in Array(pool.next()) }
    #expect(Set(nonces).count == 1000)
    #expect(nonces.allSatisfy { $0.count == 12 })
  }

  @Test func `A sealed value is refused under another resource or field`() throws {
    let token = try vault.seal("secret", for: alice)
    #expect(
      try errorCode { _ = try vault.open(token, resourceID: Identifier(high: 8, low: 81), field: "email") }
        == .wrongContext)
    #expect(
      try errorCode { _ = try vault.open(token, resourceID: place.resourceID, field: "emai") } == .wrongContext)
    #expect(
      try errorCode { _ = try vault.open(token, resourceID: place.resourceID, field: "emaiL") } == .wrongContext)
  }

  @Test func `A token changed in any byte never opens as a value`() throws {
    let token = try SealedToken(try vault.seal("secret", for: alice))
    for index in token.bytes.indices {
      var bytes = token.bytes
      bytes[index] ^= 0x04
      let changed: JSON = ["$sealed": .string(base64(bytes))]
      do {
        // Another key id names a key that this store never had.
        #expect(try vault.open(changed) == .locked)
        #expect((1..<17).contains(index))
      } catch let error as VaultError {
        #expect(error.code == (index == 0 ? .malformedToken : .wrongContext))
      }
    }
  }

  @Test(arguments: [
    JSON.null, "x", [:], ["$sealed": 1], ["$sealed": "AQ=="], ["$sealed": "not base64"], ["$sealed": "", "more": 1],
  ])
  func `What is no token is refused as such`(value: JSON) throws {
    #expect(try errorCode { _ = try vault.open(value) } == .malformedToken)
    #expect(vault.owner(of: value) == nil)
    #expect(Vault.eventID(of: value) == nil)
  }

  @Test func `Only an object with the one member is a sealed value`() {
    #expect(Vault.isSealed(["$sealed": "x"]))
    #expect(!Vault.isSealed(["$sealed": 1]))
    #expect(!Vault.isSealed(["$sealed": "x", "a": 1]))
    #expect(!Vault.isSealed("x"))
    #expect(!Vault.isSealed([:]))
  }

  @Test func `A token of another vault is locked, not erased`() throws {
    let other = try TestVault()
    let token = try other.open().seal("secret", for: alice)
    #expect(try vault.open(token) == .locked)
    #expect(vault.owner(of: token) == nil)
  }

  @Test(arguments: [
    ("", "2026-11"), ("Logs", "2026-11"), ("l\u{e9}", "2026-11"), ("logs", "2026-13"), ("logs", "2026-1"),
    ("logs", "26-11-1"),
    ("logs", "2026-00"),
  ])
  func `An expiring key with a class or month that no sweep would find is refused`(name: String, month: String) throws {
    let owner = KeyOwner.expiring(organization: nil, retentionClass: name, month: month)
    #expect(try errorCode { _ = try vault.seal(1, for: owner) } == .invalidOwner)
    #expect(try errorCode { try vault.destroy([owner]) } == .invalidOwner)
  }

  @Test func `More keys than the cache holds still seal and open`() throws {
    let small = try TestVault()
    let vault = try Vault.open(folder: small.folder, cacheCapacity: 8)
    let owners = (0..<100).map { KeyOwner.subject(Identifier(high: 9, low: $0)) }
    let tokens = try owners.map { try vault.seal("x", for: $0) }
    try vault.persistPendingKeys()
    for _ in 0..<2 {
      for (token, owner) in zip(tokens, owners) {
        #expect(try vault.open(token) == .value("x"))
        #expect(vault.owner(of: token) == owner)
      }
    }
    #expect(Set(owners.map { vault.owner(of: tokens[owners.firstIndex(of: $0) ?? 0]) }).count == 100)
  }

  @Test func `Many threads seal and open at once`() async throws {
    let vault = vault
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<8 {
        group.addTask {
          for index in 0..<100 {
            let owner = KeyOwner.subject(Identifier(high: 5, low: UInt64(index)))
            let token = try vault.seal(.integer(Int64(worker)), for: owner)
            #expect(try vault.open(token) == .value(.integer(Int64(worker))))
            if index % 25 == 0 { try vault.persistPendingKeys() }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(vault.status().subjectKeys == 100)
  }
}
