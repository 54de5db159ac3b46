import BasicTypes
import CanonicalJSON
import Failpoints
import Testing

@testable import Vault

#if canImport(Glibc)
  import Glibc
#endif

/// What becomes of new keys where making them durable is cut short.
@Suite struct NewKeyTests {
  let test: TestVault

  init() throws {
    test = try TestVault()
  }

  @Test(arguments: Failpoint.of(.newKeys))
  func `after an error the keys still wait, and the next call makes each durable once`(point: Failpoint) throws {
    let vault = try test.open(failpoints: Failpoints(parsing: "\(point.rawValue):throw"))
    let first = try vault.seal("first", for: alice)
    #expect(throws: Failpoints.Failure(point: point)) { try vault.persistPendingKeys() }
    #expect(vault.hasPendingKeys)
    #expect(try vault.open(first) == .value("first"))
    let second = try vault.seal("second", for: bob)
    try vault.persistPendingKeys()
    #expect(!vault.hasPendingKeys)
    vault.close()
    let again = try test.open()
    #expect(try again.open(first) == .value("first"))
    #expect(try again.open(second) == .value("second"))
    #expect(again.status().subjectKeys == 2)
  }

  @Test func `keys of what is not kept are forgotten, and those before and those made durable stay`() throws {
    let vault = try test.open()
    let kept = try vault.seal("kept", for: alice)
    vault.markKeys()
    let dropped = try vault.seal("dropped", for: bob)
    _ = try vault.seal("dropped", for: alice)
    _ = try vault.seal("dropped", for: november)
    #expect(vault.status().pendingKeys == 3)
    vault.forgetUnmarkedKeys()
    #expect(vault.status().pendingKeys == 1)
    #expect(try vault.open(kept) == .value("kept"))
    #expect(try vault.open(dropped) == .locked)
    vault.markKeys()
    let durable = try vault.seal("durable", for: bob)
    try vault.persistPendingKeys()
    vault.forgetUnmarkedKeys()
    #expect(try vault.open(durable) == .value("durable"))
    // An expiring key that was destroyed comes back as a new one, or not at all.
    let expired = try vault.seal("expired", for: november)
    try vault.destroy([november])
    vault.markKeys()
    _ = try vault.seal("dropped", for: november)
    vault.forgetUnmarkedKeys()
    #expect(try vault.open(expired) == .erased)
    let again = try vault.seal("again", for: november)
    try vault.persistPendingKeys()
    vault.close()
    let reopened = try test.open()
    #expect(try reopened.open(kept) == .value("kept"))
    #expect(try reopened.open(again) == .value("again"))
    #expect(reopened.status().subjectKeys == 2 && reopened.status().expiringKeys == 1)
  }

  @Test(arguments: Failpoint.of(.newKeys))
  func `a crash leaves a vault that opens, with every key that was durable before`(point: Failpoint) async throws {
    do {
      let vault = try test.open()
      _ = try vault.seal("kept", for: alice)
      try vault.persistPendingKeys()
      vault.close()
    }
    let folder = test.folder
    await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String, point = point as Failpoint] in
      let vault = try Vault.open(folder: folder, failpoints: Failpoints(parsing: "\(point.rawValue):kill"))
      _ = try vault.seal("lost", for: bob)
      try vault.persistPendingKeys()
    }
    let vault = try test.open()
    #expect(vault.status().subjectKeys >= 1)
    let token = try vault.seal("new", for: acme)
    try vault.persistPendingKeys()
    vault.close()
    #expect(try test.open().open(token) == .value("new"))
  }
}
