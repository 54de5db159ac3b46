import LMDB
import TestBasics
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What an environment is worth after the system has refused it something in the middle of a write.
@Suite struct FailingDiskTests {
  /// Puts another file in the place of LMDB's while a write is made, and the right one back.
  private func write(
    _ key: UInt8, of value: Int = 8, to things: Database, in environment: Environment, failing descriptor: CInt,
    by file: String
  ) throws -> LMDBError {
    let kept = dup(descriptor)
    let other = open(file, O_RDWR | O_CLOEXEC)
    try #require(kept >= 0 && other >= 0)
    defer {
      close(kept)
      close(other)
    }
    let transaction = try environment.beginWrite()
    try transaction.put(things, [key], [UInt8](repeating: key, count: value))
    #expect(dup2(other, descriptor) == descriptor)
    let refusal = #expect(throws: LMDBError.self) { try transaction.commit() }
    #expect(dup2(kept, descriptor) == descriptor)
    return try #require(refusal)
  }

  private func keys(_ things: Database, in environment: Environment) throws -> [UInt8] {
    try environment.read { store in
      try (1...9).filter { key in try store.withValue(things, [UInt8(key)]) { _ in true } ?? false }.map { UInt8($0) }
    }
  }

  @Test func `where the pages at the front can't be written, opening anew brings everything committed back`() throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 21)
    let things = try environment.things()
    let others = try environment.databases(["others"])
    let transaction = try environment.beginWrite()
    try transaction.put(things, [1], [1])
    try transaction.commit()
    let files = descriptors(of: ground.folder + "/data.mdb")
    #expect(files.count == 2)
    #expect(try !environment.reopenIfNeeded(), "nothing is wrong yet")
    let refusal = try write(2, to: things, in: environment, failing: try #require(files.last), by: "/dev/full")
    #expect(refusal.isDiskFull)
    let read = #expect(throws: LMDBError.self) { try keys(things, in: environment) }
    #expect(read?.isPanic == true)
    #expect(read?.isDamage == false)
    #expect(try environment.reopenIfNeeded())
    #expect(try !environment.reopenIfNeeded())
    #expect(environment.mapSize == 1 << 21)
    #expect(try keys(things, in: environment) == [1])
    // Handles that were given out before go on.
    try environment.put([("a", "one")], in: others[0])
    try environment.put([("\u{3}", "three")], in: things)
    #expect(try keys(things, in: environment) == [1, 3])
    #expect(try environment.text("a", in: others[0]) == "one")
  }

  @Test func `a page that can't be written undoes its transaction, and is no damage`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put([("\u{1}", "one")], in: things)
    let files = descriptors(of: ground.folder + "/data.mdb")
    // Writing to a part of memory that isn't there is an I/O error, whatever the disk.
    let refusal = try write(
      2, of: 40_000, to: things, in: environment, failing: try #require(files.first), by: "/proc/self/mem")
    #expect(refusal.isInputOutput)
    #expect(!refusal.isDamage)
    #expect(try !environment.reopenIfNeeded())
    #expect(try keys(things, in: environment) == [1])
    try environment.put([("\u{2}", "two")], in: things)
    #expect(try keys(things, in: environment) == [1, 2])
  }

  @Test func `a map that can't grow stays as it is`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put([("\u{1}", "one")], in: things)
    // More than there are addresses.
    let refusal = #expect(throws: LMDBError.self) { try environment.resize(to: 1 << 60) }
    #expect(refusal?.code == ENOMEM)
    #expect(environment.mapSize == 1 << 20)
    #expect(try keys(things, in: environment) == [1])
    try environment.put([("\u{2}", "two")], in: things)
    #expect(try keys(things, in: environment) == [1, 2])
  }

  @Test func `a closed environment isn't opened anew`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    environment.close()
    #expect(try !environment.reopenIfNeeded())
  }
}
