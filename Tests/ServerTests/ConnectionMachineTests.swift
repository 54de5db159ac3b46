import Testing

@testable import Server

struct ConnectionMachineTests {
  private typealias Machine = ConnectionMachine<String, String, String>

  private static let limits = ConnectionLimits(
    signedIn: .init(line: 4096, queries: 2, heldAnswers: 100), unsigned: .init(line: 64, queries: 1, heldAnswers: 10),
    inFlight: 3, subscriptions: 1, hasSignInDeadline: true)

  /// A connection that is open and asks to read.
  private func open(isKnown: Bool = true) -> Machine {
    var machine = Machine(limits: Self.limits, isKnown: isKnown)
    machine.opened()
    machine.readWanted()
    return machine
  }

  /// All that follows now. Lines to parse are taken from `lines`; where a line is a batch, its calls stand between
  /// spaces.
  private func settle(_ machine: inout Machine, _ lines: [String] = []) -> [Machine.Action] {
    var lines = lines[...]
    var batches = 0
    var actions: [Machine.Action] = []
    while let action = machine.next() {
      guard action == .parseLine else {
        actions.append(action)
        continue
      }
      guard let line = lines.popFirst() else {
        machine.linesEnded()
        continue
      }
      let calls = line.split(separator: " ")
      batches += 1
      for call in calls { machine.parsed(String(call), ofBatch: calls.count > 1 ? batches : nil) }
    }
    return actions
  }

  /// What follows when those lines are read.
  private func read(_ lines: [String], by machine: inout Machine) -> [Machine.Action] {
    _ = machine.bytesRead()
    return settle(&machine, lines)
  }

  @Test func `calls begin in the order sent, up to the limit, and nothing is read beyond it`() {
    var machine = open()
    #expect(settle(&machine) == [.read])
    machine.readWanted()
    #expect(read(["a", "b", "c d e"], by: &machine) == [.begin("a"), .begin("b"), .begin("c")])
    _ = machine.answered(1)
    #expect(settle(&machine) == [.begin("d")])
    _ = machine.answered(3)
    #expect(settle(&machine) == [.begin("e"), .read])
  }

  @Test func `nothing begins or is read while the client doesn't take its answers`() {
    var machine = open()
    machine.roomChanged(false)
    #expect(read(["a"], by: &machine).isEmpty)
    machine.roomChanged(true)
    #expect(settle(&machine, ["a"]) == [.begin("a"), .read])
  }

  @Test func `what has begun and waits its turn runs only while the client takes its answers`() {
    var machine = open()
    for command in ["1", "2"] { machine.commandArrived(command) }
    for query in ["a", "b", "c"] { machine.queryArrived(query, ofBatch: nil) }
    machine.roomChanged(false)
    #expect(settle(&machine).isEmpty)
    machine.roomChanged(true)
    #expect(settle(&machine) == [.run("1"), .answer("a"), .answer("b"), .read])
    machine.readWanted()
    machine.roomChanged(false)
    machine.commandPassed()
    machine.queryFinished()
    #expect(settle(&machine).isEmpty)
    machine.roomChanged(true)
    #expect(settle(&machine) == [.run("2"), .answer("c"), .read])
  }

  @Test func `a command that is being prepared holds back commands, and no query`() {
    var machine = open()
    for command in ["slow", "next"] { machine.commandArrived(command) }
    machine.queryArrived("query", ofBatch: nil)
    #expect(settle(&machine) == [.run("slow"), .answer("query"), .read])
    machine.commandPassed()
    #expect(settle(&machine) == [.run("next")])
  }

  @Test func `so many queries run at once, and a stranger's one by one`() {
    for (isKnown, together) in [(true, 2), (false, 1)] {
      var machine = open(isKnown: isKnown)
      _ = settle(&machine)
      for query in ["1", "2", "3"] { machine.queryArrived(query, ofBatch: nil) }
      #expect(settle(&machine) == ["1", "2"].prefix(together).map(Machine.Action.answer))
      machine.queryFinished()
      #expect(settle(&machine) == [.answer(together == 2 ? "3" : "2")])
    }
  }

  @Test func `everything behind a sign-in waits for its outcome`() {
    var machine = open(isKnown: false)
    #expect(machine.share.line == 64)
    #expect(settle(&machine) == [.control(.startDeadline), .read])
    machine.parsed("sign in", ofBatch: nil)
    machine.parsed("call", ofBatch: nil)
    #expect(machine.next() == .begin("sign in"))
    machine.signInBegan()
    machine.readWanted()
    #expect(settle(&machine).isEmpty)
    machine.identified(true)
    machine.signInEnded()
    #expect(machine.share.line == 4096, "the next line may be long")
    #expect(settle(&machine) == [.control(.cancelDeadline), .begin("call"), .read])
  }

  @Test func `whoever doesn't sign in in time is closed, whatever it asks meanwhile`() {
    var machine = open(isKnown: false)
    #expect(settle(&machine) == [.control(.startDeadline), .read])
    #expect(read(["ping"], by: &machine) == [.begin("ping")])
    machine.deadlinePassed()
    #expect(settle(&machine) == [.control(.close)])
  }

  @Test func `a sign-in that is under way at the deadline decides`() {
    for isRight in [true, false] {
      var machine = open(isKnown: false)
      _ = read(["sign in"], by: &machine)
      machine.signInBegan()
      machine.deadlinePassed()
      #expect(settle(&machine).isEmpty)
      if isRight { machine.identified(true) }
      machine.signInEnded()
      #expect(settle(&machine).contains(.control(.close)) == !isRight)
    }
  }

  @Test func `the time to sign in begins anew for whoever signs out, and what they subscribed to ends`() {
    var machine = open(isKnown: false)
    machine.identified(true)
    machine.subscriptionStarted()
    _ = settle(&machine)
    machine.signedOut()
    machine.identified(false)
    #expect(settle(&machine) == [.control(.cancelSubscriptions), .control(.startDeadline)])
    #expect(!machine.maySubscribe)
    machine.subscriptionEnded()
    #expect(machine.maySubscribe)
  }

  @Test func `a batch that holds too much has its other calls refused, and calls of no batch go on`() {
    var machine = open()
    #expect(read(["a b c d e"], by: &machine) == [.begin("a"), .begin("b"), .begin("c")])
    machine.queryArrived("b", ofBatch: 1)
    machine.heldChanged(by: 101, ofBatch: 1)
    _ = machine.answered(1)
    #expect(settle(&machine) == [.refuseQuery("b"), .refuse("d")])
    _ = machine.answered(3)
    #expect(settle(&machine) == [.refuse("e"), .read])
    #expect(read(["f"], by: &machine) == [.begin("f")])
  }

  @Test func `a batch waits for what the batches before it hold`() {
    var machine = open()
    #expect(read(["a b", "c d"], by: &machine) == [.begin("a"), .begin("b"), .begin("c")])
    machine.heldChanged(by: 60, ofBatch: 1)
    machine.heldChanged(by: 60, ofBatch: 2)
    _ = machine.answered(2)
    #expect(settle(&machine).isEmpty, "its second call waits")
    machine.heldChanged(by: -60, ofBatch: 1)
    _ = machine.answered(1)
    #expect(settle(&machine) == [.begin("d"), .read])
  }

  @Test func `a client that sends nothing more gets every answer, also to a last line without an end`() {
    var machine = open()
    _ = settle(&machine)
    _ = machine.bytesRead()
    machine.roomChanged(false)
    machine.inputClosed()
    // Nothing is in flight, and yet the end must wait: the client hasn't taken its answers, and more calls lie there.
    #expect(settle(&machine, ["a"]).isEmpty)
    machine.roomChanged(true)
    #expect(settle(&machine, ["a"]) == [.begin("a"), .parseRest])
    machine.parsed("rest", ofBatch: nil)
    #expect(settle(&machine) == [.begin("rest")])
    machine.subscriptionStarted()
    _ = machine.answered(2)
    #expect(settle(&machine).isEmpty, "it still wants what it subscribed to")
    machine.subscriptionEnded()
    #expect(settle(&machine) == [.control(.finish)])
    machine.lastWritten()
    #expect(settle(&machine) == [.control(.close)])
  }

  @Test func `a stop answers what was taken in, ends the rest, and closes its own side first`() {
    var machine = open()
    _ = read(["a b c d"], by: &machine)
    machine.subscriptionStarted()
    machine.stop()
    #expect(settle(&machine) == [.control(.discardInput), .control(.cancelSubscriptions), .read])
    var isKept = machine.bytesRead()
    #expect(!isKept, "what comes now is read past")
    _ = machine.answered(3)
    #expect(settle(&machine) == [.begin("d")])
    _ = machine.answered(1)
    #expect(settle(&machine) == [.control(.finish)])
    machine.lastWritten()
    machine.readWanted()
    #expect(settle(&machine) == [.control(.closeOutput), .read])
    isKept = machine.answered(0)
    #expect(!isKept, "nothing is written any more")
    machine.inputClosed()
    #expect(settle(&machine) == [.control(.close)])
    machine.lingered()
    #expect(settle(&machine).isEmpty)
  }

  @Test func `a stop cancels a sign-in, and one that begins after it`() {
    var machine = open()
    _ = read(["sign in", "again"], by: &machine)
    machine.signInBegan()
    machine.stop()
    #expect(settle(&machine) == [.control(.discardInput), .control(.cancelSignIn), .read])
    machine.signInEnded()
    machine.signInBegan()
    #expect(settle(&machine) == [.control(.cancelSignIn)])
  }

  @Test func `a connection that isn't taken gets its reason and is closed`() {
    var machine = Machine(limits: Self.limits, isKnown: false)
    machine.refused()
    #expect(settle(&machine) == [.control(.finish)])
    let isKept = machine.bytesRead()
    #expect(!isKept)
    machine.lastWritten()
    #expect(settle(&machine) == [.control(.close)])
  }

  @Test func `a closed connection is released once, and does nothing more`() {
    var machine = open()
    _ = read(["a b"], by: &machine)
    machine.commandArrived("a")
    machine.close()
    machine.close()
    #expect(settle(&machine) == [.control(.close)])
    machine.inactive()
    machine.inactive()
    #expect(settle(&machine) == [.control(.release)])
    machine.commandPassed()
    machine.stop()
    machine.close()
    machine.readWanted()
    let isKept = machine.bytesRead()
    let isWritten = machine.answered(1)
    #expect(!isKept && !isWritten)
    #expect(settle(&machine).isEmpty)
  }
}
