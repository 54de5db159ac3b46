import BasicTypes
import CanonicalJSON
import Crypto
import Failpoints
import Foundation
import Testing

@testable import Vault

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct DestructionTests {
  let test: TestVault
  let vault: Vault

  init() throws {
    test = try TestVault()
    vault = try test.open()
  }

  @Test func `A destroyed key leaves its values erased, now and after a restart, and all others readable`() throws {
    let erased = try vault.seal("gone", for: alice)
    let kept = try [bob, acme, november].map { try vault.seal("kept", for: $0) }
    let hash = vault.lookupHash("email", [1])
    let verifierKey = vault.verifierKey
    #expect(try vault.destroy([alice]) == 1)
    func check(_ vault: Vault) throws {
      #expect(try vault.open(erased) == .erased)
      #expect(vault.owner(of: erased) == alice)
      for token in kept { #expect(try vault.open(token) == .value("kept")) }
      #expect(vault.lookupHash("email", [1]) == hash)
      #expect(vault.verifierKey == verifierKey)
      #expect(vault.status().epoch == 2)
      #expect(vault.status().destroyedKeys == 1)
      #expect(try errorCode { _ = try vault.seal("again", for: alice) } == .erased)
    }
    try check(vault)
    // A key that was pending is in the new store already.
    #expect(!vault.hasPendingKeys)
    vault.close()
    try check(try test.open())
    try check(try Vault.openReadOnly(folder: test.folder))
  }

  @Test func `After a destruction no file holds the old wrapped keys or the old epoch's key`() throws {
    _ = try vault.seal("gone", for: alice)
    _ = try vault.seal("kept", for: bob)
    try vault.persistPendingKeys()
    let oldEpochKey = try test.bytes("epoch-1.key")
    let wrappedEpochKey = try #require(try JSON.parse(oldEpochKey)["wrapped"]?.stringValue)
    let oldWrapped = vault.snapshot.records.map(\.wrapped)
    let store = vault.snapshot
    let dataKeys = store.records.compactMap { $0.unwrap(epoch: store.epoch, epochKey: store.epochKey) }
    #expect(dataKeys.count == 4)
    let rawEpochKey = store.epochKey.withUnsafeBytes { Array($0) }
    // The scan can find: these are there before.
    #expect(try test.holds(Array(wrappedEpochKey.utf8)))
    for wrapped in oldWrapped { #expect(try test.holds(Array(base64(wrapped).utf8))) }

    try vault.destroy([alice])
    #expect(try test.names() == ["epoch-2.key", "keys", "lock"])
    let raw = dataKeys.map { $0.withUnsafeBytes { Array($0) } } + [rawEpochKey]
    for secret in raw + oldWrapped + [try #require(Data(base64Encoded: wrappedEpochKey)).map { $0 }] {
      #expect(try !test.holds(secret))
      #expect(try !test.holds(Array(base64(secret).utf8)))
      #expect(try !test.holds(Array(secret.map { String(format: "%02x", $0) }.joined().utf8)))
    }
  }

  @Test func `Many owners share one new epoch, and a second call has nothing to do`() throws {
    for owner in [alice, bob, acme, november] { _ = try vault.seal("x", for: owner) }
    #expect(try vault.destroy([alice, bob, acme, alice]) == 3)
    #expect(vault.status().epoch == 2)
    #expect(try vault.destroy([bob, alice]) == 0)
    #expect(try vault.destroy([]) == 0)
    #expect(vault.status().epoch == 2)
    #expect(try vault.destroy([november]) == 1)
    #expect(vault.status().epoch == 3)
    #expect(vault.status().destroyedKeys == 4)
  }

  @Test func `A person without a key is fenced all the same`() throws {
    #expect(try vault.destroy([alice]) == 0)
    #expect(try errorCode { _ = try vault.seal("x", for: alice) } == .erased)
    vault.close()
    let again = try test.open()
    #expect(try errorCode { _ = try again.seal("x", for: alice) } == .erased)
    #expect(try again.destroy([alice]) == 0)
  }

  @Test func `A swept month takes a late payload under a new key, and the swept ones stay erased`() throws {
    let swept = try vault.seal("old", for: november)
    #expect(try vault.destroy([november]) == 1)
    let late = try vault.seal("late", for: november)
    try vault.persistPendingKeys()
    vault.close()
    let again = try test.open()
    #expect(try again.open(swept) == .erased)
    #expect(try again.open(late) == .value("late"))
    #expect(try SealedToken(late).keyVersion == 2)
    #expect(try again.destroy([november]) == 1)
    #expect(try again.open(late) == .erased)
  }

  @Test(arguments: Failpoint.of(.destruction))
  func `A crash at any step leaves the old state or the new one, and the next start finishes`(
    point: Failpoint
  ) async throws {
    let gone = try vault.seal("gone", for: alice)
    let kept = try vault.seal("kept", for: bob)
    try vault.persistPendingKeys()
    let oldEpochKey = try #require(try JSON.parse(try test.bytes("epoch-1.key"))["wrapped"]?.stringValue)
    let oldLine = try #require(vault.snapshot.records.last?.wrapped)
    vault.close()
    let folder = test.folder
    await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String, point = point as Failpoint] in
      let vault = try Vault.open(folder: folder, failpoints: Failpoints(parsing: "\(point.rawValue):kill"))
      try vault.destroy([alice])
    }
    let isCommitted = isDone(at: point)
    for _ in 0..<2 {
      let reader = try Vault.openReadOnly(folder: folder)
      #expect(try reader.open(gone) == (isCommitted ? .erased : .value("gone")))
      let vault = try test.open()
      #expect(try vault.open(gone) == (isCommitted ? .erased : .value("gone")))
      #expect(try vault.open(kept) == .value("kept"))
      #expect(try test.names() == ["epoch-\(isCommitted ? 2 : 1).key", "keys", "lock"])
      #expect(try test.holds(Array(oldEpochKey.utf8)) == !isCommitted)
      #expect(try test.holds(Array(base64(oldLine).utf8)) == !isCommitted)
      vault.close()
    }
    let vault = try test.open()
    #expect(try vault.destroy([alice]) == (isCommitted ? 0 : 1))
    #expect(try vault.open(gone) == .erased)
    #expect(try vault.open(kept) == .value("kept"))
  }

  @Test(arguments: Failpoint.of(.destruction))
  func `An error at any step leaves a working vault, and calling again finishes`(point: Failpoint) throws {
    vault.close()
    let vault = try test.open(failpoints: Failpoints(parsing: "\(point.rawValue):throw"))
    let gone = try vault.seal("gone", for: alice)
    let kept = try vault.seal("kept", for: bob)
    try vault.persistPendingKeys()
    #expect(throws: Failpoints.Failure(point: point)) { try vault.destroy([alice]) }
    let isCommitted = isDone(at: point)
    #expect(try vault.open(gone) == (isCommitted ? .erased : .value("gone")))
    #expect(try vault.open(kept) == .value("kept"))
    let later = try vault.seal("later", for: acme)
    try vault.persistPendingKeys()
    #expect(try vault.destroy([alice]) == (isCommitted ? 0 : 1))
    #expect(try test.names() == ["epoch-2.key", "keys", "lock"])
    vault.close()
    let again = try test.open()
    #expect(try again.open(gone) == .erased)
    #expect(try again.open(kept) == .value("kept"))
    #expect(try again.open(later) == .value("later"))
  }

  @Test func `Values open from other threads while keys are destroyed`() async throws {
    let vault = vault
    let token = try vault.seal("kept", for: bob)
    try vault.persistPendingKeys()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        for index in 0..<UInt64(20) { try vault.destroy([.subject(Identifier(high: 50, low: index))]) }
      }
      for worker in 0..<3 {
        group.addTask {
          for index in 0..<50 {
            #expect(try vault.open(token) == .value("kept"))
            let owner = KeyOwner.subject(Identifier(high: 60 + UInt64(worker), low: UInt64(index)))
            let own = try vault.seal("own", for: owner)
            try vault.persistPendingKeys()
            #expect(try vault.open(own) == .value("own"))
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(vault.status().epoch == 21)
    #expect(vault.status().subjectKeys == 151)
    vault.close()
    #expect(try test.open().status().subjectKeys == 151)
  }
}

/// Whether the destruction can't be undone any more where that point is reached.
private func isDone(at point: Failpoint) -> Bool {
  let points = Failpoint.of(.destruction)
  return points.drop { $0 != .destructionStoreRenamed }.contains(point)
}
