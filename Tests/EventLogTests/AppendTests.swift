import BasicTypes
import CanonicalJSON
import DaybookTestKit
import EventLog
import NIOConcurrencyHelpers
import Testing

#if canImport(Glibc)
  import Glibc
#endif

struct Refused: Error, Equatable {}

@Suite struct AppendTests {
  @Test func `positions are dense and versions count per resource`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    defer { log.close() }
    for round in 1...5 {
      let committed = try await log.commit { transaction in
        try [
          transaction.record(.numbered(1), set: ["round": .integer(Int64(round))]),
          transaction.record(.numbered(2), set: ["round": .integer(Int64(round))]),
        ]
      }
      #expect(committed.value.map(\.position) == [UInt64(round * 2 - 1), UInt64(round * 2)])
      #expect(committed.value.map(\.version) == [Int64(round), Int64(round)])
    }
    let records = try await log.records(from: 1, limit: 100, maximumBytes: 1 << 20)
    #expect(records.map(\.position) == Array(1...10))
    #expect(log.head.position == 10)
  }

  @Test func `a refused decision leaves nothing and spoils nobody`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    defer { log.close() }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<200 {
        group.addTask {
          do {
            _ = try await log.commit { transaction in
              try transaction.record(.numbered(UInt64(number)), set: ["n": .integer(Int64(number))])
              try transaction.claim(constraint: "c", key: [UInt8(number)], for: .numbered(UInt64(number)))
              if number % 3 == 0 { throw Refused() }
            }
            return number % 3 != 0
          } catch is Refused {
            return number % 3 == 0
          }
        }
      }
      for try await isAsExpected in group { #expect(isAsExpected) }
    }
    #expect(log.head.position == UInt64((0..<200).filter { $0 % 3 != 0 }.count))
    try log.read { (snapshot: borrowing LogSnapshot) throws in
      for number in 0..<200 {
        let holder = try snapshot.holder(constraint: "c", key: [UInt8(number)])
        #expect((holder == nil) == (number % 3 == 0))
      }
    }
    log.close()
    #expect(try temporary.verify().isHealthy)
  }

  @Test func `of many writers that claim one key, exactly one wins`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    defer { log.close() }
    for round in 0..<20 {
      let wins = await withTaskGroup(of: Int.self) { group in
        for writer in 0..<16 {
          group.addTask {
            do {
              _ = try await log.commit { transaction in
                guard try transaction.holder(constraint: "slug", key: [UInt8(round)]) == nil else { throw Refused() }
                let id = Identifier.numbered(UInt64(round * 100 + writer))
                try transaction.record(id, "created", set: ["slug": "x"])
                try transaction.claim(constraint: "slug", key: [UInt8(round)], for: id)
              }
              return 1
            } catch { return 0 }
          }
        }
        return await group.reduce(0, +)
      }
      #expect(wins == 1)
    }
  }

  @Test func `a discarded decision answers its value and records nothing`() async throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    defer { log.close() }
    let committed = try await log.commit { transaction in
      let event = try transaction.record(.numbered(1), set: ["a": 1])
      transaction.discard()
      return event.position
    }
    #expect(committed.value == 1)
    #expect(log.head.position == 0)
  }

  @Test func `a small map grows by itself`() async throws {
    let temporary = try TestLog(mapSize: 1 << 18)
    let log = try temporary.open()
    defer { log.close() }
    let text = JSON.string(String(repeating: "x", count: 10_000))
    for number in 0..<200 {
      _ = try await log.commit { try $0.record(.numbered(UInt64(number)), set: ["text": text]) }
    }
    #expect(log.head.position == 200)
    log.close()
    #expect(try temporary.verify().isHealthy)
  }

  @Test func `time never goes back, and a clock far behind refuses writes`() async throws {
    let temporary = try TestLog()
    let start = Timestamp(microseconds: 1_800_000_000_000_000)
    temporary.clock.withLockedValue { $0 = start }
    let log = try temporary.open()
    defer { log.close() }
    let first = try await log.commit { try $0.record(.numbered(1), set: ["a": 1]) }
    temporary.clock.withLockedValue { $0 = start.adding(seconds: -200) }
    let second = try await log.commit { try $0.record(.numbered(1), set: ["a": 2]) }
    #expect(second.value.at == Timestamp(microseconds: first.value.at.microseconds + 1))
    temporary.clock.withLockedValue { $0 = start.adding(seconds: -301) }
    let refusal = await #expect(throws: EventLogError.self) {
      try await log.commit { try $0.record(.numbered(1), set: ["a": 3]) }
    }
    #expect(refusal?.code == .clockSetBack)
    temporary.clock.withLockedValue { $0 = start.adding(seconds: 1) }
    let third = try await log.commit { try $0.record(.numbered(1), set: ["a": 4]) }
    #expect(third.value.position == 3)
  }

  @Test func `a full inbox refuses as overloaded, and the rest is decided`() throws {
    let temporary = try TestLog()
    let log = try temporary.open { $0.inboxLimit = 4 }
    let outcomes = NIOLockedValueBox<[String]>([])
    for number in 0..<2000 {
      log.submit {
        try $0.record(.numbered(UInt64(number)), set: ["a": 1])
      } completion: { result in
        switch result {
        case .success: outcomes.withLockedValue { $0.append("ok") }
        case .failure(let error):
          outcomes.withLockedValue { $0.append((error as? EventLogError)?.code.rawValue ?? "?") }
        }
      }
    }
    log.close()
    let counted = outcomes.withLockedValue { $0 }
    #expect(counted.count == 2000)
    #expect(Set(counted) == ["ok", "overloaded"])
    #expect(log.head.position == UInt64(counted.count { $0 == "ok" }))
  }

  @Test func `command results survive a restart`() async throws {
    let temporary = try TestLog()
    let stored = StoredCommand(fingerprint: [UInt8](repeating: 7, count: 32), result: Array("{}".utf8))
    let log = try temporary.open()
    _ = try await log.commit { transaction in
      try transaction.record(.numbered(1), set: ["a": 1])
      try transaction.storeCommand(actor: "local:0", id: "c-1", stored)
    }
    log.close()
    let again = try temporary.open()
    defer { again.close() }
    let found = try await again.commit { try $0.storedCommand(actor: "local:0", id: "c-1") }
    #expect(found.value == stored)
    let other = try await again.commit { try $0.storedCommand(actor: "local:1", id: "c-1") }
    #expect(other.value == nil)
  }

  @Test func `a second open of the folder is refused by name of the holder`() throws {
    let temporary = try TestLog()
    let log = try temporary.open()
    defer { log.close() }
    let refusal = #expect(throws: EventLogError.self) { try temporary.open() }
    #expect(refusal?.code == .locked)
    #expect(refusal?.message.contains("process ") == true)
  }
}

/// Needs to mount a small file system, which only root may.
@Suite(.enabled(if: geteuid() == 0, "only root can mount a small file system")) struct FullDiskTests {
  @Test func `a full disk refuses writes while reads go on, and writes go on when there is space again`() async throws {
    let temporary = try TestLog(mapSize: 1 << 26)
    guard mkdir(temporary.logFolder, 0o700) == 0,
      mount("tmpfs", temporary.logFolder, "tmpfs", 0, "size=4m") == 0
    else {
      print("skipped: this machine doesn't let even root mount a file system")
      return
    }
    defer { umount2(temporary.logFolder, Int32(MNT_DETACH)) }
    let filler = temporary.logFolder + "/filler"
    let descriptor = Glibc.open(filler, O_WRONLY | O_CREAT, 0o600)
    #expect(posix_fallocate(descriptor, 0, 2 << 20) == 0)
    Glibc.close(descriptor)
    let log = try temporary.open()
    defer { log.close() }
    let text = JSON.string(String(repeating: "x", count: 3000))
    var recorded: UInt64 = 0
    var refusal: EventLogError?
    while refusal == nil, recorded < 5000 {
      do {
        let number = recorded
        _ = try await log.commit { try $0.record(.numbered(number), set: ["text": text]) }
        recorded += 1
      } catch let error as EventLogError {
        refusal = error
      }
    }
    #expect(refusal?.code == .diskFull)
    #expect(log.head.position == recorded)
    #expect(try log.read { try $0.state(.numbered(0)) } != nil)
    #expect(unlink(filler) == 0)
    _ = try await log.commit { try $0.record(.numbered(9999), set: ["text": text]) }
    #expect(log.head.position == recorded + 1)
    log.close()
    #expect(try temporary.verify().isHealthy)
  }
}
