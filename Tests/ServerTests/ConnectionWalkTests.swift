import Testing

@testable import Server

@Suite(.timeLimit(.minutes(5)))
struct ConnectionWalkTests {
  /// A world small enough to see all of it.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var isLocal = true
    var lines: [ConnectionWorld.Line]
    /// How many lines come at once.
    var lineCount = 1
    var inFlight = 2
    var queries = 2
  }

  static let cases = [
    Case(testDescription: "commands", lines: [.call(.command), .call(.slowCommand), .call(.ping)], lineCount: 2),
    Case(testDescription: "queries", lines: [.call(.query), .call(.ping), .call(.slowCommand)], queries: 1),
    Case(testDescription: "subscriptions", lines: [.call(.subscribe), .call(.signOut), .call(.ping)]),
    Case(
      testDescription: "strangers", isLocal: false,
      lines: [.call(.signIn), .call(.signOut), .call(.command), .call(.ping)]),
    Case(
      testDescription: "strangers' batches", isLocal: false,
      lines: [.call(.signIn), .batch([.query, .query])]),
    Case(testDescription: "large lines", lines: [.large(.command), .call(.ping)]),
    Case(
      testDescription: "strangers' large lines", isLocal: false, lines: [.call(.signIn), .large(.ping)], inFlight: 1),
    Case(
      testDescription: "batches", lines: [.batch([.query, .query, .query]), .batch([.ping, .ping])]),
  ]

  @Test(arguments: cases)
  func `from every state, whatever happens keeps the promises, and left to itself it comes to rest`(
    _ given: Case
  ) throws {
    let share = ConnectionLimits.Share(line: 10, queries: given.queries, heldAnswers: 1)
    let limits = ConnectionLimits(
      signedIn: share, unsigned: .init(line: 5, queries: 1, heldAnswers: 0), inFlight: given.inFlight, subscriptions: 1,
      hasSignInDeadline: !given.isLocal)
    var walk = Walk(inputs: Self.inputs(given))
    try walk.visit(from: ConnectionWorld(limits: limits, isLocal: given.isLocal))
    try walk.comeToRest()
    // Where the walk goes wrong by being small, this tells: every phase, and every end.
    let phases = Set(walk.worlds.map { $0.machine.phase })
    #expect(phases.isSuperset(of: [.opening, .serving, .draining, .lingering, .closing, .closed]))
    #expect(phases.isSuperset(of: [.stopping(isInputClosed: false), .stopping(isInputClosed: true)]))
    #expect(phases.isSuperset(of: [.ending(lingers: false), .ending(lingers: true)]))
  }

  /// Everything that can happen, with all lines that a client may send.
  private static func inputs(_ given: Case) -> [ConnectionWorld.Input] {
    var inputs: [ConnectionWorld.Input] = [
      .opened, .refused, .readWanted, .inputClosed, .flushed, .writable, .unwritable, .lineParsed,
      .commandPrepared, .commandAnswered, .queryAnswered, .queryFinished, .signInSucceeded, .signInFailed,
      .subscriptionEnded,
      .lastWritten, .lingered, .deadlinePassed, .stop, .abort, .inactive,
    ]
    var texts: [[ConnectionWorld.Line]] = [[]]
    for _ in 0..<given.lineCount {
      texts = texts.filter { !$0.isEmpty } + texts.flatMap { text in given.lines.map { text + [$0] } }
      texts = Array(Set(texts))
    }
    inputs += texts.map(ConnectionWorld.Input.bytes)
    for line in given.lines {
      inputs += [.lastBytes([line], isEnded: true), .lastBytes([line, line], isEnded: false)]
    }
    return inputs
  }
}

/// A breadth-first walk through all that can happen.
private struct Walk {
  let inputs: [ConnectionWorld.Input]
  private(set) var worlds: [ConnectionWorld] = []
  private var known: [ConnectionWorld: Int] = [:]
  /// Where each world was first reached from, and by what.
  private var origins: [(from: Int, input: ConnectionWorld.Input)?] = []
  /// What each world becomes when it is left to itself; nil where it is at rest.
  private var successors: [Int?] = []

  init(inputs: [ConnectionWorld.Input]) {
    self.inputs = inputs
  }

  mutating func visit(from start: ConnectionWorld) throws {
    add(start, from: nil)
    var index = 0
    while index < worlds.count {
      let world = worlds[index]
      let next = world.next
      for input in inputs where world.isPossible(input) {
        let changed = try step(index, world, input)
        // What comes after the release must have no effect, and so can't lead anywhere.
        if !world.isReleased { note(changed, from: index, by: input, isNext: input == next) }
      }
      if let next, !world.isReleased, successors[index] == nil {
        note(try step(index, world, next), from: index, by: next, isNext: true)
      }
      index += 1
    }
  }

  private func step(
    _ index: Int, _ world: ConnectionWorld, _ input: ConnectionWorld.Input
  ) throws -> ConnectionWorld {
    var changed = world
    do {
      try changed.happen(input)
    } catch {
      throw ConnectionWorld.Violation(description: "\(error)\n\(story(of: index) + [input])\n\(changed)")
    }
    return changed
  }

  private mutating func note(
    _ world: ConnectionWorld, from index: Int, by input: ConnectionWorld.Input, isNext: Bool
  ) {
    let found = known[world] ?? add(world, from: (index, input))
    if isNext { successors[index] = found }
  }

  @discardableResult
  private mutating func add(_ world: ConnectionWorld, from origin: (from: Int, input: ConnectionWorld.Input)?) -> Int {
    known[world] = worlds.count
    worlds.append(world)
    origins.append(origin)
    successors.append(nil)
    return worlds.count - 1
  }

  /// From every world, left to itself: it comes to rest, and there nothing is forgotten.
  func comeToRest() throws {
    // 0: not looked at; 1: on the way; 2: comes to rest.
    var marks = [UInt8](repeating: 0, count: worlds.count)
    for start in worlds.indices where marks[start] == 0 {
      var path: [Int] = []
      var index = start
      while marks[index] == 0 {
        marks[index] = 1
        path.append(index)
        guard let next = successors[index] else {
          do {
            try worlds[index].checkRest()
          } catch {
            throw ConnectionWorld.Violation(description: "\(error)\n\(story(of: index))\n\(worlds[index])")
          }
          marks[index] = 2
          break
        }
        index = next
      }
      guard marks[index] == 2 else {
        throw ConnectionWorld.Violation(description: "it goes on for ever\n\(story(of: start))")
      }
      for passed in path { marks[passed] = 2 }
    }
  }

  /// How a world came about.
  private func story(of index: Int) -> [ConnectionWorld.Input] {
    var inputs: [ConnectionWorld.Input] = []
    var index = index
    while let origin = origins[index] {
      inputs.append(origin.input)
      index = origin.from
    }
    return inputs.reversed()
  }
}
