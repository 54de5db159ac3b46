/// What a connection does next: a pure state machine, which knows no socket, no clock and no task.
///
/// Its owner tells it what has happened by one of the inputs, and then carries out ``next()`` until that returns nil.
/// An input never acts by itself, and what an action changes is noted before it is returned, so the owner may tell it
/// something in the middle of carrying one out.
///
/// It keeps these promises:
/// - Calls begin in the order in which they came; commands run one after the other in that order, queries up to a
///   number at once.
/// - Nothing more is read or begun while too many calls are unanswered, the client doesn't take its answers, or a
///   sign-in is under way; what has begun and waits its turn runs only while the client takes its answers; nothing
///   more is read or parsed while a line is being parsed elsewhere.
/// - Every call that was taken in is begun or refused, unless the connection is closed before; a connection that ends
///   by itself has answered all.
/// - It asks to close once and to release once, and for nothing after that.
///
/// `Entry` is a call that is parsed and not begun; `Command` and `Query` are what the owner makes of calls that wait
/// their turn.
struct ConnectionMachine<Entry, Command, Query> {
  /// What is to be done.
  enum Action {
    /// Tell the next line of what was read by ``parsed(_:ofBatch:)``, call by call, or ``linesEnded()`` where there is
    /// none. Where that takes long, tell ``parsingBegan()`` instead, and ``parsingEnded()`` behind its calls.
    case parseLine
    /// Tell the last line, which no line ending follows, where there is one.
    case parseRest
    /// Begin a call.
    case begin(Entry)
    /// Answer a call with `too_large`: the answers that are held for its batch are too many.
    case refuse(Entry)
    /// Run a command, then tell ``commandPassed()`` when the next one may follow.
    case run(Command)
    /// Run a query, then tell ``queryFinished()``.
    case answer(Query)
    /// Answer a query with `too_large`, as a call is refused.
    case refuseQuery(Query)
    /// Read from the socket once.
    case read
    /// Do something to the connection as a whole.
    case control(Control)
  }

  /// What is done to the connection as a whole.
  enum Control: Hashable, Sendable {
    /// Forget what was read and not parsed.
    case discardInput
    /// Cancel the sign-in that is under way; it still ends by ``signInEnded()``.
    case cancelSignIn
    /// Cancel all subscriptions; each still ends by ``subscriptionEnded()``.
    case cancelSubscriptions
    /// Tell ``deadlinePassed()`` after the time in which a client must sign in.
    case startDeadline
    /// The deadline is off.
    case cancelDeadline
    /// Tell ``lastWritten()`` once everything written so far is with the system.
    case finish
    /// Close our side only, and tell ``lingered()`` after a moment: closing a socket with unread bytes would cut off
    /// answers on their way.
    case closeOutput
    /// Close the connection; ``inactive()`` follows.
    case close
    /// Cancel and give back everything that the connection has: it is closed.
    case release
  }

  /// How far the connection's life has come.
  enum Phase: Hashable, Sendable {
    /// It isn't decided yet whether the connection is taken.
    case opening
    /// Calls are read and answered.
    case serving
    /// The client sends nothing more; what it sent is answered.
    case draining
    /// The server stops: what was taken in is answered, what else comes is read past.
    case stopping(isInputClosed: Bool)
    /// All is answered; the last bytes are on their way, and then it closes, or only its own side where the client may
    /// still be sending.
    case ending(lingers: Bool)
    /// Our side is closed; what still comes is read past until the client closes its side, or for a moment.
    case lingering
    /// It was asked to close.
    case closing
    /// It is closed.
    case closed
  }

  /// What was read and not parsed.
  enum Unparsed: Hashable, Sendable {
    case nothing
    /// There may be whole lines.
    case lines
    /// There are no whole lines, but perhaps a last one without its ending.
    case rest
  }

  enum Deadline: Hashable, Sendable {
    case none, running
    /// It passed during a sign-in, whose outcome is awaited.
    case passed
  }

  /// Something of a batch, or of none.
  struct Member<Item> {
    let item: Item
    let batch: Int?
  }

  // The state. Only the machine's own files touch it.
  var phase = Phase.opening
  let limits: ConnectionLimits

  var isReadWanted = false
  var unparsed = Unparsed.nothing
  /// Whether a line is being parsed elsewhere.
  var isParsing = false
  /// Calls that are parsed, and those that are begun and not answered.
  var calls = Lane<Member<Entry>>()
  /// Whether the client takes its answers.
  var hasRoom = true
  var commands = Lane<Command>()
  var queries = Lane<Member<Query>>()
  var subscriptions = 0
  /// Bytes of answers that wait for the rest of their batch.
  var held: [Int: Int] = [:]

  var isKnown: Bool
  var isSigningIn = false
  var deadline = Deadline.none
  var controls: [Control] = []

  /// - Parameter isKnown: Whether the connection speaks for somebody without signing in.
  init(limits: ConnectionLimits, isKnown: Bool) {
    self.limits = limits
    self.isKnown = isKnown
  }

  /// What the connection may take, as it speaks for somebody or not.
  var share: ConnectionLimits.Share { isKnown ? limits.signedIn : limits.unsigned }

  /// Whether one more subscription may be started.
  var maySubscribe: Bool { subscriptions < limits.subscriptions }

  // MARK: What follows

  /// The next thing to do, or nil where there is nothing until the next input.
  mutating func next() -> Action? {
    if !controls.isEmpty { return .control(controls.removeFirst()) }
    switch phase {
    case .opening, .closing, .closed:
      return nil
    case .serving, .draining, .stopping:
      if hasRoom {
        if let command = commands.start(width: 1) { return .run(command) }
        if let query = queries.start(width: share.queries) { return action(for: query) }
      }
      if let action = nextCall() { return action }
      if let ending {
        phase = ending
        return .control(.finish)
      }
    case .ending, .lingering:
      break
    }
    guard isReadWanted, mayRead else { return nil }
    isReadWanted = false
    return .read
  }

  /// Whether one more call may be begun.
  private var mayBegin: Bool { !isSigningIn && hasRoom && calls.hasRoom(width: limits.inFlight) }

  /// Whether more bytes are wanted. While the connection ends they are read past, to see the client close its side.
  private var mayRead: Bool {
    switch phase {
    case .serving: mayBegin && !calls.isWaiting && unparsed == .nothing && !isParsing
    case .stopping(let isInputClosed): !isInputClosed
    case .ending, .lingering: true
    case .opening, .draining, .closing, .closed: false
    }
  }

  private mutating func nextCall() -> Action? {
    guard mayBegin else { return nil }
    if let entry = calls.first {
      let isOver = isOverBudget(entry.batch)
      // The batches before it have all their calls begun, so they give back what they hold without it.
      if isOver, let batch = entry.batch, held.contains(where: { $0.key != batch && $0.value > 0 }) { return nil }
      _ = calls.start(width: limits.inFlight)
      return isOver ? .refuse(entry.item) : .begin(entry.item)
    }
    guard !isParsing else { return nil }
    switch unparsed {
    case .nothing: return nil
    case .lines: return .parseLine
    case .rest:
      unparsed = .nothing
      return .parseRest
    }
  }

  private mutating func action(for query: Member<Query>) -> Action {
    guard isOverBudget(query.batch) else { return .answer(query.item) }
    queries.leave()
    return .refuseQuery(query.item)
  }

  private func isOverBudget(_ batch: Int?) -> Bool {
    guard batch != nil, !held.isEmpty else { return false }
    return held.values.reduce(0, +) > share.heldAnswers
  }

  /// How the connection ends, once nothing is left to answer and the client or the server wants an end.
  private var ending: Phase? {
    guard calls.isIdle, unparsed == .nothing, !isParsing else { return nil }
    switch phase {
    // A client that sends nothing more may still want what it subscribed to.
    case .draining: return subscriptions == 0 ? .ending(lingers: false) : nil
    case .stopping(let isInputClosed): return .ending(lingers: !isInputClosed)
    case .opening, .serving, .ending, .lingering, .closing, .closed: return nil
    }
  }
}

extension ConnectionMachine.Member: Equatable where Item: Equatable {}
extension ConnectionMachine.Member: Hashable where Item: Hashable {}
extension ConnectionMachine: Equatable where Entry: Equatable, Command: Equatable, Query: Equatable {}
extension ConnectionMachine: Hashable where Entry: Hashable, Command: Hashable, Query: Hashable {}
extension ConnectionMachine.Action: Equatable where Entry: Equatable, Command: Equatable, Query: Equatable {}
