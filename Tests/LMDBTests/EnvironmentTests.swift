import Dispatch
import LMDB
import Synchronization
import TestBasics
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct EnvironmentTests {
  @Test func `a full map refuses the write, and takes it once it has grown`() throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 16)
    let things = try environment.things()
    let large = [UInt8](repeating: 7, count: 1 << 18)
    let transaction = try environment.beginWrite()
    let refusal = try #require(throws: LMDBError.self) { try transaction.put(things, [1], large) }
    transaction.abort()
    #expect(refusal.isMapFull)
    #expect(!refusal.isDamage)
    try environment.resize(to: 1 << 20)
    #expect(environment.mapSize == 1 << 20)
    let again = try environment.beginWrite()
    try again.put(things, [1], large)
    try again.commit()
    #expect(try environment.read { try $0.withValue(things, [1]) { $0.byteCount } } == large.count)
  }

  @Test func `growing waits for the reads under way, which keep their bytes`() async throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put([("a", "one")], in: things)
    let grown: Task<Void, any Error>
    do {
      let reading = try environment.beginRead()
      grown = Task.detached { try environment.resize(to: 1 << 22) }
      for _ in 0..<1000 {
        let text = try reading.withValue(things, Array("a".utf8)) { $0.text }
        #expect(text == "one")
        #expect(environment.mapSize == 1 << 20)
      }
    }
    try await grown.value
    #expect(environment.mapSize == 1 << 22)
    #expect(try environment.text("a", in: things) == "one")
  }

  @Test func `many threads read while the map grows under a writer`() async throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 16)
    let things = try environment.things()
    try environment.put([("a", "one")], in: things)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<500 {
            let text = try environment.text("a", in: things)
            #expect(text == "one")
          }
        }
      }
      for number in 0..<60 {
        let value = [UInt8](repeating: UInt8(number), count: 8000)
        while true {
          let transaction = try environment.beginWrite()
          do throws(LMDBError) {
            try transaction.put(things, [1, UInt8(number)], value)
            try transaction.commit()
            break
          } catch {
            transaction.abort()
            guard error.isMapFull else { throw error }
            try environment.resize(to: environment.mapSize * 2)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try environment.read { try $0.statistics(things).entries } == 61)
    #expect(environment.mapSize > 1 << 16)
  }

  @Test func `who only reads follows a map that somebody else grows`() throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 16)
    let things = try environment.things()
    try environment.put([("a", "one")], in: things)
    var options = Environment.Options()
    options.mapSize = 1 << 16
    options.isReadOnly = true
    // As another process would: this one has the folder open already.
    options.ignoresLocks = true
    let reader = try Environment(folder: ground.folder, options: options)
    let same = try reader.things()
    #expect(try reader.text("a", in: same) == "one")
    for size in [1 << 20, 1 << 22] {
      try environment.resize(to: size)
      try environment.put([("a", String(repeating: "x", count: size / 2))], in: things)
      #expect(try reader.text("a", in: same)?.utf8.count == size / 2)
    }
  }

  @Test func `a second environment on a folder is refused until the first is closed`() throws {
    let ground = try Ground()
    let first = try ground.open()
    let refusal = try #require(throws: LMDBError.self) { try ground.open() }
    #expect(refusal.isOpenAlready)
    #expect(refusal.description.contains(ground.folder))
    let link = ground.folder + ".link"
    #expect(symlink(ground.folder, link) == 0)
    defer { unlink(link) }
    #expect(throws: LMDBError.self) { try Environment(folder: link) }
    first.close()
    first.close()
    try ground.open().close()
  }

  @Test func `an opening that fails leaves the folder free`() throws {
    let ground = try Ground()
    #expect(mkdir(ground.folder + "/data.mdb", 0o700) == 0)
    #expect(throws: LMDBError.self) { try ground.open() }
    #expect(rmdir(ground.folder + "/data.mdb") == 0)
    try ground.open().close()
  }

  @Test func `a folder that isn't there is named in the error`() throws {
    let refusal = try #require(throws: LMDBError.self) { try Environment(folder: "/nowhere/at/all") }
    #expect(refusal.code == ENOENT)
    #expect(refusal.description.contains("/nowhere/at/all"))
    #expect(refusal.description.contains("No such file or directory"))
  }

  @Test func `a closed environment refuses every use`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    environment.close()
    #expect(try #require(throws: LMDBError.self) { try environment.beginWrite() }.isClosed)
    #expect(throws: LMDBError.self) { try environment.read { try $0.statistics(things) } }
    #expect(throws: LMDBError.self) { try environment.resize(to: 1 << 22) }
    #expect(throws: LMDBError.self) { try environment.clearDeadReaders() }
    #expect(throws: LMDBError.self) { try environment.copy(to: Ground().folder) }
  }

  @Test func `the slot of a reader whose process was killed is cleared`() async throws {
    let ground = try Ground()
    do {
      let environment = try ground.open()
      let things = try environment.things()
      try environment.put([("a", "one")], in: things)
      environment.close()
    }
    setenv("DAYBOOK_TEST_LMDB_FOLDER", ground.folder, 1)
    await #expect(processExitsWith: .signal(SIGKILL)) {
      let folder = try #require(getenv("DAYBOOK_TEST_LMDB_FOLDER").map { String(cString: $0) })
      let environment = try Environment(folder: folder)
      try environment.read { _ in _ = kill(getpid(), SIGKILL) }
    }
    let environment = try ground.open()
    // The first to open resets the whole table; so the dead reader is one that died beside an open environment.
    await #expect(processExitsWith: .signal(SIGKILL)) {
      let folder = try #require(getenv("DAYBOOK_TEST_LMDB_FOLDER").map { String(cString: $0) })
      let environment = try Environment(folder: folder)
      try environment.read { _ in _ = kill(getpid(), SIGKILL) }
    }
    #expect(try environment.clearDeadReaders() == 1)
    #expect(try environment.clearDeadReaders() == 0)
  }

  @Test func `a copy has what was there, while the original goes on`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    try environment.put([("a", "one")], in: things)
    let other = try Ground()
    try environment.copy(to: other.folder)
    try environment.put([("a", "two")], in: things)
    let copy = try other.open()
    #expect(try copy.text("a", in: copy.things()) == "one")
  }

  @Test(.timeLimit(.minutes(1)))
  func `growing waits for no copy, however slowly it is written, and the copy is whole all the same`() async throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 24)
    let things = try environment.things()
    let large = String(repeating: "x", count: 1 << 20)
    try environment.put((0..<4).map { ("\($0)", large) }, in: things)
    let other = try Ground()
    let stuck = DispatchSemaphore(value: 0)
    let reached = DispatchSemaphore(value: 0)
    let copy = Self.copy(environment, to: other.folder) {
      reached.signal()
      stuck.wait()
    }
    await Self.wait(for: reached)
    // The file takes nothing more: growth, and what needs it, go on.
    try environment.resize(to: 1 << 25)
    try environment.put([("4", large), ("a", "new")], in: things)
    for _ in 0..<1000 { stuck.signal() }
    try await copy.value
    let copied = try other.open(mapSize: 1 << 25)
    #expect(try copied.text("a", in: copied.things()) == "new")
    for key in 0..<5 { #expect(try copied.text("\(key)", in: copied.things()) == large) }
  }

  /// LMDB writes a megabyte at a time, and a pipe or a socket takes less: so whether a write waits at its first byte or
  /// later depends on how much is in the file.
  @Test(.timeLimit(.minutes(1)), arguments: [60_000, 150_000, 300_000, 500_000, 1_000_000, 1_200_000, 3_000_000])
  func `a copy ends at once wherever it is interrupted, and where its file takes nothing more`(size: Int) async throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 24)
    let things = try environment.things()
    for number in 0..<20 {
      try environment.put([("\(number)", String(repeating: "x", count: size / 20))], in: things)
    }
    for pieces in 0..<3 {
      // Interrupted: it begins again, and is whole.
      let other = try Ground()
      let stuck = DispatchSemaphore(value: pieces)
      let copy = Self.copy(environment, to: other.folder) { stuck.wait() }
      // What is tested is LMDB's write that waits for room; nothing tells when it does. Too early is no false alarm.
      try await Task.sleep(for: .milliseconds(20))
      try environment.resize(to: environment.mapSize + (1 << 20))
      for _ in 0..<1000 { stuck.signal() }
      try await copy.value
      let copied = try other.open(mapSize: 1 << 24)
      #expect(try copied.text("19", in: copied.things())?.utf8.count == size / 20)
      copied.close()
      // Refused: another file, which takes nothing, stands in the place of the copy's from some piece on.
      let full = try Ground()
      let count = Mutex(0)
      var refusal: LMDBError?
      do {
        try environment.copy(to: full.folder) {
          let isTime = count.withLock { count in
            defer { count += 1 }
            return count == pieces
          }
          guard isTime, let file = descriptors(of: full.folder + "/data.mdb").first else { return }
          let device = open("/dev/full", O_WRONLY | O_CLOEXEC)
          dup2(device, file)
          close(device)
        }
      } catch { refusal = error }
      // Small files have fewer pieces than that.
      #expect((refusal?.isDiskFull == true) == count.withLock { $0 > pieces }, "\(size) bytes, piece \(pieces)")
    }
  }

  /// A copy may be interrupted when LMDB has written the last of it and the file hasn't.
  @Test(.timeLimit(.minutes(1))) func `a copy that returns is whole, wherever it was interrupted`() async throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 24)
    let things = try environment.things()
    let text = String(repeating: "x", count: 3000)
    for number in 0..<20 { try environment.put([("\(number)", text)], in: things) }
    let reached = DispatchSemaphore(value: 0)
    let copies = 400
    // Once for each copy, when its first piece has come through the pipe: LMDB has written the last one, or nearly so.
    let growing = Task {
      try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async {
          continuation.resume(
            with: Result {
              for number in 0..<copies {
                reached.wait()
                try environment.resize(to: number.isMultiple(of: 2) ? 1 << 25 : 1 << 24)
              }
            })
        }
      }
    }
    for _ in 0..<copies {
      let other = try Ground()
      let isFirst = Once()
      try await Self.copy(environment, to: other.folder) { if isFirst.take() { reached.signal() } }.value
      let copied = try other.open(mapSize: 1 << 24)
      defer { copied.close() }
      var information = stat()
      #expect(stat(other.folder + "/data.mdb", &information) == 0)
      // What isn't there can't be read: that would end the process.
      try #require(Int(information.st_size) == (Int(copied.lastPage) + 1) * copied.pageSize)
      #expect(try copied.text("19", in: copied.things()) == text)
    }
    try await growing.value
  }

  private final class Once: Sendable {
    private let isTaken = Mutex(false)

    /// Whether nobody has taken it yet.
    func take() -> Bool {
      isTaken.withLock { isTaken in
        defer { isTaken = true }
        return !isTaken
      }
    }
  }

  /// Copies on a thread of its own: it may be stuck for long, and the pool has only as many as there are processors.
  private static func copy(
    _ environment: Environment, to folder: String, watch: @escaping @Sendable () -> Void
  ) -> Task<Void, any Error> {
    Task {
      try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async {
          continuation.resume(with: Result { try environment.copy(to: folder, watch: watch) })
        }
      }
    }
  }

  private static func wait(for semaphore: DispatchSemaphore) async {
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        semaphore.wait()
        continuation.resume()
      }
    }
  }

  @Test func `a copy into a folder with a log in it is refused`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    try environment.put([("a", String(repeating: "x", count: 500_000))], in: environment.things())
    let refusal = try #require(throws: LMDBError.self) { try environment.copy(to: ground.folder) }
    #expect(refusal.code == EEXIST)
  }

  @Test func `every page is in a database, free, or one of the first two`() throws {
    let ground = try Ground()
    let environment = try ground.open(mapSize: 1 << 22)
    let things = try environment.things()
    for round in 0..<20 {
      try environment.put((0..<100).map { ("\($0)", String(repeating: "\(round)", count: 50 + round)) }, in: things)
    }
    let used = try environment.read { reading in
      let housekeeping = try reading.housekeepingPages()
      try #require(housekeeping.free > 0)
      return try 2 + housekeeping.directory + housekeeping.freeList + housekeeping.free
        + reading.statistics(things).pages
    }
    #expect(used == environment.lastPage + 1)
  }

  @Test func `a read-only environment reads and refuses to write`() throws {
    let ground = try Ground()
    do {
      let environment = try ground.open()
      try environment.put([("a", "one")], in: environment.things())
      environment.close()
    }
    var options = Environment.Options()
    options.isReadOnly = true
    options.mapSize = 0
    let environment = try Environment(folder: ground.folder, options: options)
    #expect(try environment.text("a", in: environment.things()) == "one")
    #expect(throws: LMDBError.self) { try environment.beginWrite() }
    #expect(throws: LMDBError.self) { try environment.databases(["others"]) }
  }

  @Test func `an error says what was done, and in LMDB's words why not`() throws {
    let ground = try Ground()
    let environment = try ground.open()
    let things = try environment.things()
    let transaction = try environment.beginWrite()
    let refusal = try #require(throws: LMDBError.self) { try transaction.put(things, [], [1]) }
    #expect(refusal.description.hasPrefix("LMDB put in things: MDB_BAD_VALSIZE"))
    #expect(!refusal.isMapFull && !refusal.isMapResized && !refusal.isDiskFull && !refusal.isDamage)
    #expect(!refusal.isClosed && !refusal.isInputOutput && !refusal.isOpenAlready)
  }
}
