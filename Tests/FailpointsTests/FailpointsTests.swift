import Failpoints
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct FailpointsTests {
  @Test func `unless it is armed, a failpoint does nothing`() throws {
    #expect(!Failpoints.none.isArmed)
    for point in Failpoint.allCases { try Failpoints.none.reached(point) }
  }

  @Test func `a point throws the time it is told to, once, and no other point does`() throws {
    let armed = try Failpoints(parsing: "log.put:throw@2")
    for point in Failpoint.allCases { try armed.reached(point) }
    for point in Failpoint.allCases where point != .logPut { try armed.reached(point) }
    #expect(throws: Failpoints.Failure(point: .logPut)) { try armed.reached(.logPut) }
    try armed.reached(.logPut)
  }

  @Test func `without a number it is the first time`() throws {
    let armed = try Failpoints(parsing: "keys.synced:throw")
    #expect(throws: Failpoints.Failure(point: .keysSynced)) { try armed.reached(.keysSynced) }
    try armed.reached(.keysSynced)
  }

  @Test func `where a change is done, an error is passed over`() throws {
    let armed = try Failpoints(parsing: "log.committed:throw")
    armed.passed(.logCommitted)
    #expect(Failpoint.allCases.filter { !$0.canFail } == [.logCommitted, .flushCommitted])
  }

  @Test func `a point that is told to kill ends the process by SIGKILL`() async {
    await #expect(processExitsWith: .signal(SIGKILL)) {
      let armed = try Failpoints(parsing: "log.decided:kill@3")
      try armed.reached(.logDecided)
      try armed.reached(.logPut)
      try armed.reached(.logDecided)
      try armed.reached(.logDecided)
      exit(0)
    }
  }

  @Test(arguments: [
    "", "log.put", "log.put:", "log.put:die", "log.put:kill@", "log.put:kill@0", "log.put:kill@x", "nothing:kill",
    "log.put:kill@1:", "log.put:kill@1@2", ":kill",
  ])
  func `what is no order is refused with a sentence`(_ text: String) throws {
    let error = try #require(throws: Failpoints.SyntaxError.self) { try Failpoints(parsing: text) }
    #expect(error.description.hasSuffix("."))
  }

  @Test func `every point belongs to a change, and every change has points`() {
    #expect(Failpoint.Change.allCases.flatMap(Failpoint.of) == Failpoint.allCases)
    for change in Failpoint.Change.allCases { #expect(!Failpoint.of(change).isEmpty) }
  }
}
