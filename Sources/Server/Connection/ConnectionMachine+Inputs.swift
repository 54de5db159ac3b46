// MARK: The connection's life

extension ConnectionMachine {
  /// The connection is open, and taken.
  mutating func opened() {
    guard phase == .opening else { return }
    phase = .serving
    awaitSignIn()
  }

  /// The connection is open, and isn't taken: why has been written.
  mutating func refused() {
    guard phase == .opening else { return }
    phase = .ending(lingers: false)
    controls.append(.finish)
  }

  /// The client sends nothing more.
  mutating func inputClosed() {
    isReadWanted = false
    switch phase {
    case .serving:
      phase = .draining
      unparsed = .lines
    case .stopping: phase = .stopping(isInputClosed: true)
    case .ending: phase = .ending(lingers: false)
    case .opening, .lingering: close()
    case .draining, .closing, .closed: break
    }
  }

  /// The server stops: nothing more is read, what was taken in is answered, then the connection is closed.
  mutating func stop() {
    switch phase {
    case .serving: phase = .stopping(isInputClosed: false)
    case .draining: phase = .stopping(isInputClosed: true)
    case .opening: return close()
    case .stopping, .ending, .lingering, .closing, .closed: return
    }
    unparsed = .nothing
    controls.append(.discardInput)
    // Who guesses must not hold the stop up by the wait that earned.
    if isSigningIn { controls.append(.cancelSignIn) }
    if subscriptions > 0 { controls.append(.cancelSubscriptions) }
  }

  /// Closes at once, whatever is unanswered.
  mutating func close() {
    guard phase != .closing, phase != .closed else { return }
    phase = .closing
    controls = [.close]
  }

  /// The connection is closed, by whomever. What waited is dropped.
  mutating func inactive() {
    guard phase != .closed else { return }
    phase = .closed
    controls = [.release]
    unparsed = .nothing
    calls.clear()
    commands.clear()
    queries.clear()
    held = [:]
    subscriptions = 0
    (isReadWanted, isParsing, isSigningIn, deadline) = (false, false, false, .none)
  }

  /// Everything that was written is with the system.
  mutating func lastWritten() {
    guard case .ending(let lingers) = phase else { return }
    guard lingers else { return close() }
    phase = .lingering
    controls.append(.closeOutput)
  }

  /// The client had its moment to see our side closed.
  mutating func lingered() {
    if phase == .lingering { close() }
  }

  /// The time to sign in is over.
  mutating func deadlinePassed() {
    guard deadline == .running else { return }
    deadline = isSigningIn ? .passed : .none
    if !isSigningIn { close() }
  }

  /// Starts the time to sign in.
  private mutating func awaitSignIn() {
    guard !isKnown, limits.hasSignInDeadline, deadline == .none else { return }
    deadline = .running
    controls.append(.startDeadline)
  }
}

// MARK: Bytes in and out

extension ConnectionMachine {
  /// The channel asks whether it may read.
  mutating func readWanted() {
    if phase != .closed { isReadWanted = true }
  }

  /// Bytes were read. Returns whether they are to be kept for ``Action/parseLine``; else they are read past.
  mutating func bytesRead() -> Bool {
    guard phase == .serving else { return false }
    unparsed = .lines
    return true
  }

  /// A line held this call, or something that was meant as one; as part of a batch, whose number tells it from all that
  /// are unanswered.
  mutating func parsed(_ entry: Entry, ofBatch batch: Int?) {
    if phase != .closed { calls.enter(Member(item: entry, batch: batch)) }
  }

  /// The line that was to be parsed is being parsed elsewhere.
  mutating func parsingBegan() {
    if phase != .closed { isParsing = true }
  }

  /// All calls of the line that was parsed elsewhere are told.
  mutating func parsingEnded() {
    isParsing = false
  }

  /// No whole line is left in what was read.
  mutating func linesEnded() {
    unparsed = phase == .draining ? .rest : .nothing
  }

  /// So many calls are answered by the bytes that come next. Returns whether those are still to be written.
  mutating func answered(_ count: Int) -> Bool {
    switch phase {
    case .serving, .draining, .stopping:
      calls.leave(count)
      return true
    case .opening, .ending, .lingering, .closing, .closed:
      return false
    }
  }

  /// Whether the client takes its answers, so that there is room for more.
  mutating func roomChanged(_ hasRoom: Bool) {
    self.hasRoom = hasRoom
  }

  /// A batch holds so many bytes of answers more, or fewer.
  mutating func heldChanged(by bytes: Int, ofBatch batch: Int) {
    guard phase != .closed else { return }
    let sum = held[batch, default: 0] + bytes
    held[batch] = sum == 0 ? nil : sum
  }
}

// MARK: Calls

extension ConnectionMachine {
  /// A call that was begun is a command.
  mutating func commandArrived(_ command: Command) { commands.enter(command) }

  /// The command that runs has its place in the log's order: the next one may follow.
  mutating func commandPassed() {
    if phase != .closed { commands.leave() }
  }

  /// A call that was begun is a query, or is answered like one.
  mutating func queryArrived(_ query: Query, ofBatch batch: Int?) {
    queries.enter(Member(item: query, batch: batch))
  }

  /// A query that ran is answered.
  mutating func queryFinished() {
    if phase != .closed { queries.leave() }
  }

  /// A call that was begun is a sign-in: it decides what the calls behind it may do, so they wait.
  mutating func signInBegan() {
    guard phase != .closed else { return }
    isSigningIn = true
    if case .stopping = phase { controls.append(.cancelSignIn) }
  }

  /// The sign-in is over; who the connection speaks for was told before.
  mutating func signInEnded() {
    isSigningIn = false
    if deadline == .passed { close() }
  }

  /// The connection speaks for somebody now, or for nobody.
  mutating func identified(_ isKnown: Bool) {
    guard self.isKnown != isKnown else { return }
    self.isKnown = isKnown
    guard phase != .opening, phase != .closing, phase != .closed else { return }
    guard isKnown else { return awaitSignIn() }
    if deadline == .running { controls.append(.cancelDeadline) }
    deadline = .none
  }

  /// The client signed out: what it subscribed to ends.
  mutating func signedOut() {
    if subscriptions > 0 { controls.append(.cancelSubscriptions) }
  }

  /// A subscription was started.
  mutating func subscriptionStarted() {
    guard phase != .closed else { return }
    subscriptions += 1
    if case .stopping = phase { controls.append(.cancelSubscriptions) }
  }

  /// A subscription has ended.
  mutating func subscriptionEnded() {
    if phase != .closed { subscriptions -= 1 }
  }
}
