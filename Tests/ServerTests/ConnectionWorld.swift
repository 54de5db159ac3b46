@testable import Server

/// What surrounds one connection, as values: its client, its channel, its tasks, its outbox.
///
/// It does with the machine's actions what ``Connection`` does with them, and throws where one breaks a promise. Time
/// passes only by inputs.
struct ConnectionWorld: Hashable {
  typealias Machine = ConnectionMachine<Call, Call, Call>

  /// The kinds of call.
  enum Kind: Hashable {
    /// Answered at once.
    case ping
    case command
    /// A command that is prepared in the background.
    case slowCommand
    case query
    case signIn, signOut, subscribe
  }

  struct Call: Hashable {
    let kind: Kind
    var batch: Int?
  }

  /// What a client sends in one line.
  enum Line: Hashable {
    case call(Kind)
    case batch([Kind])
    /// A call in a line that is parsed elsewhere.
    case large(Kind)
  }

  /// Everything that can happen.
  enum Input: Hashable {
    case opened, refused
    case readWanted
    case bytes([Line])
    /// What the system still had when the client closed its side, which nobody asked to read: lines, the last perhaps
    /// without its ending.
    case lastBytes([Line], isEnded: Bool)
    case inputClosed
    case flushed, writable, unwritable
    case lineParsed
    case commandPrepared, commandAnswered, queryAnswered, queryFinished
    case signInSucceeded, signInFailed, subscriptionEnded
    case lastWritten, lingered, deadlinePassed
    case stop, abort, inactive
  }

  /// A promise that was broken.
  struct Violation: Error, CustomStringConvertible {
    let description: String
  }

  enum Reading: Hashable {
    case idle, wanted, asked
  }

  struct Batch: Hashable {
    var unanswered: Int
    var held = 0
  }

  /// How many answers the outbox takes before there is no room.
  static let outboxLimit = 2

  let limits: ConnectionLimits
  let isLocal: Bool
  var machine: Machine

  // The channel.
  var isOpened = false
  var isInputClosed = false
  var isInactive = false
  var isWritable = true
  var reading = Reading.idle

  // What was sent and not begun, in the order sent.
  var unread: [Line] = []
  var rest: Line?
  var parsed: [Call] = []
  /// The call of the line that is being parsed elsewhere.
  var parsing: Call?

  // What is begun and not answered.
  var heldCommands: [Call] = []
  var prepared: Call?
  var submitted: [Call] = []
  var heldQueries: [Call] = []
  var running: [Call] = []
  var signIn: Call?
  var batches: [Int: Batch] = [:]

  /// Tasks of queries that are answered and whose end isn't told.
  var finishing = 0
  var subscriptions = 0
  var cancelledSubscriptions = 0

  // The outbox: answers not taken yet.
  var answers = 0
  var heldChanges: [HeldChange] = []
  var toldRoom = true

  // The end.
  var isKnown: Bool
  var isDeadlineSet = false
  var isStopped = false
  var isFinishing = false
  var isLingering = false
  var isCloseAsked = false
  var isReleased = false

  init(limits: ConnectionLimits, isLocal: Bool) {
    self.limits = limits
    self.isLocal = isLocal
    isKnown = isLocal
    machine = Machine(limits: limits, isKnown: isLocal)
  }

  /// Calls that are begun and whose answer isn't taken from the outbox.
  var inFlight: Int { unanswered + answers }

  /// Calls that are begun and not answered.
  var unanswered: Int {
    heldCommands.count + (prepared == nil ? 0 : 1) + submitted.count + heldQueries.count + running.count
      + (signIn == nil ? 0 : 1)
  }

  var hasRoom: Bool { isWritable && answers < Self.outboxLimit }
  var share: ConnectionLimits.Share { isKnown ? limits.signedIn : limits.unsigned }

  // MARK: Inputs

  /// Whether something can happen now.
  func isPossible(_ input: Input) -> Bool {
    switch input {
    case .opened, .refused: !isOpened && !isInactive
    case .readWanted: isOpened && reading == .idle && !isInputClosed && !isInactive
    case .bytes: reading == .asked && !isInputClosed && !isInactive
    case .lastBytes, .inputClosed: isOpened && !isInputClosed && !isInactive
    case .flushed: answers > 0
    case .writable: !isWritable && !isInactive
    case .unwritable: isWritable && isOpened && !isInactive
    case .lineParsed: parsing != nil
    case .commandPrepared: prepared != nil
    case .commandAnswered: !submitted.isEmpty
    case .queryAnswered: !running.isEmpty
    case .queryFinished: finishing > 0
    case .signInSucceeded, .signInFailed: signIn != nil
    case .subscriptionEnded: subscriptions > 0
    case .lastWritten: isFinishing
    case .lingered: isLingering
    case .deadlinePassed: isDeadlineSet
    case .stop, .abort: isOpened && !isInactive
    case .inactive: isOpened && !isInactive
    }
  }

  /// Lets something happen, and all that follows from it.
  mutating func happen(_ input: Input) throws {
    switch input {
    case .opened:
      isOpened = true
      machine.opened()
    case .refused:
      isOpened = true
      machine.refused()
    case .readWanted:
      reading = .wanted
      machine.readWanted()
    case .bytes(let lines):
      reading = .idle
      receive(lines)
    case .lastBytes(let lines, let isEnded):
      if isEnded {
        receive(lines)
      } else if machine.bytesRead() {
        unread += lines.dropLast()
        rest = lines.last
      }
      // The channel tells of what it read before it tells of the end.
      try settle()
      closeInput()
    case .inputClosed: closeInput()
    case .flushed:
      for change in heldChanges { machine.heldChanged(by: change.bytes, ofBatch: change.batch) }
      heldChanges = []
      _ = machine.answered(answers)
      answers = 0
      tellRoom()
    case .writable, .unwritable:
      isWritable = input == .writable
      tellRoom()
    case .lineParsed:
      if let call = parsing {
        if !isReleased { parsed.append(call) }
        machine.parsed(call, ofBatch: nil)
      }
      parsing = nil
      machine.parsingEnded()
    case .commandPrepared:
      if let command = prepared { submitted.append(command) }
      prepared = nil
      machine.commandPassed()
    case .commandAnswered: answer(submitted.removeFirst())
    case .queryAnswered:
      answer(running.removeFirst())
      finishing += 1
    case .queryFinished:
      finishing -= 1
      machine.queryFinished()
    case .signInSucceeded, .signInFailed:
      if input == .signInSucceeded { identify(true) }
      if let call = signIn { answer(call) }
      signIn = nil
      machine.signInEnded()
    case .subscriptionEnded:
      subscriptions -= 1
      cancelledSubscriptions = min(cancelledSubscriptions, subscriptions)
      machine.subscriptionEnded()
    case .lastWritten:
      isFinishing = false
      machine.lastWritten()
    case .lingered:
      isLingering = false
      machine.lingered()
    case .deadlinePassed:
      isDeadlineSet = false
      machine.deadlinePassed()
    case .stop:
      isStopped = true
      machine.stop()
    case .abort: machine.close()
    case .inactive:
      isInactive = true
      machine.inactive()
    }
    try settle()
  }

  mutating func receive(_ lines: [Line]) {
    if machine.bytesRead() { unread += lines }
  }

  mutating func closeInput() {
    isInputClosed = true
    reading = .idle
    machine.inputClosed()
  }

  mutating func tellRoom() {
    toldRoom = hasRoom
    machine.roomChanged(toldRoom)
  }

  mutating func identify(_ isKnown: Bool) {
    self.isKnown = isKnown
    machine.identified(isKnown)
  }

  /// Puts an answer into the outbox, or into its batch, whose last answer goes into the outbox with all the others.
  mutating func answer(_ call: Call) {
    answers += 1
    guard let number = call.batch, var batch = batches[number] else { return }
    batch.unanswered -= 1
    let change = batch.unanswered == 0 ? -batch.held : 1
    batch.held += change
    batches[number] = batch.unanswered == 0 ? nil : batch
    if change != 0 { heldChanges.append(HeldChange(batch: number, bytes: change)) }
  }

  // MARK: Rest

  /// What happens next by itself: the client reads, the server works, nobody wants anything new. Nil where all is at
  /// rest.
  var next: Input? {
    let inputs: [Input] = [
      .opened, .flushed, .writable, .lineParsed, .commandPrepared, .commandAnswered, .queryAnswered, .queryFinished,
      .signInSucceeded, .lastWritten, .lingered, .readWanted,
    ]
    if let input = inputs.first(where: isPossible) { return input }
    if cancelledSubscriptions > 0 { return .subscriptionEnded }
    return isCloseAsked && !isInactive ? .inactive : nil
  }

  /// Checks what must hold once all is at rest: nothing is forgotten, and who wants an end has it.
  func checkRest() throws {
    if isInactive || isStopped || (isInputClosed && subscriptions == 0) {
      try require(isInactive && isReleased && machine.phase == .closed, "who wants an end is closed")
    } else if isOpened, machine.phase != .closed {
      try require(inFlight == 0, "every call that was begun is answered")
      try require(
        parsed.isEmpty && parsing == nil && unread.isEmpty && rest == nil, "every call that was sent is begun")
      try require(isInputClosed || reading == .asked, "it reads on")
    }
  }
}
