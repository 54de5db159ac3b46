@testable import Server

extension ConnectionWorld {
  mutating func settle() throws {
    for _ in 0..<200 {
      guard let action = machine.next() else { return }
      try carryOut(action)
    }
    throw Violation(description: "the machine never comes to rest")
  }

  func require(_ condition: Bool, _ promise: String) throws {
    guard condition else { throw Violation(description: promise) }
  }

  private mutating func carryOut(_ action: Machine.Action) throws {
    try require(!isReleased, "nothing is asked for after the release: \(action)")
    if isCloseAsked || isInactive {
      try require(action == .control(.release), "only the release follows a close: \(action)")
    }
    switch action {
    case .parseLine:
      try require(parsed.isEmpty && parsing == nil, "no line is parsed while calls of the last one wait")
      try requireFlow()
      if unread.isEmpty { machine.linesEnded() } else { parse(unread.removeFirst()) }
    case .parseRest:
      try require(isInputClosed && unread.isEmpty && parsing == nil, "the rest is parsed last")
      if let rest { parse(rest) }
      rest = nil
    case .begin(let call): try begin(call)
    case .refuse(let call):
      try parsed.take(call, "calls are refused in order")
      try requireRefusable(call)
      try requireFlow()
      answer(call)
      try require(inFlight <= limits.inFlight, "no more calls than allowed are in flight")
    case .run(let command):
      try heldCommands.take(command, "commands run in order")
      try require(toldRoom, "no command runs while the client doesn't take its answers")
      try require(prepared == nil, "no command overtakes one that is being prepared")
      if command.kind == .slowCommand {
        prepared = command
      } else {
        submitted.append(command)
        machine.commandPassed()
      }
    case .answer(let query):
      try heldQueries.take(query, "queries run in order")
      try require(toldRoom, "no query runs while the client doesn't take its answers")
      running.append(query)
      try require(running.count + finishing <= limits.signedIn.queries, "no more queries than allowed run")
    case .refuseQuery(let query):
      try heldQueries.take(query, "queries are refused in order")
      try requireRefusable(query)
      answer(query)
    case .read:
      try require(reading == .wanted, "it reads when the channel asks")
      if isServing {
        try require(
          parsed.isEmpty && parsing == nil && unread.isEmpty, "nothing is read while something waits to begin")
        try requireFlow()
        try require(inFlight < limits.inFlight, "nothing is read while too many calls are in flight")
      }
      reading = .asked
    case .control(let control): try carryOut(control)
    }
  }

  private var isServing: Bool { machine.phase == .serving }

  private mutating func carryOut(_ control: Machine.Control) throws {
    switch control {
    case .discardInput: (unread, rest) = ([], nil)
    case .cancelSignIn: try require(signIn != nil, "a sign-in is cancelled that is under way")
    case .cancelSubscriptions: cancelledSubscriptions = subscriptions
    case .startDeadline:
      try require(!isDeadlineSet && !isKnown && !isLocal, "a deadline is set for strangers, once")
      isDeadlineSet = true
    case .cancelDeadline:
      try require(isDeadlineSet && isKnown, "a deadline is off when somebody signed in")
      isDeadlineSet = false
    case .finish:
      try require(!isFinishing, "the last bytes are awaited once")
      try require(
        inFlight == 0 && parsed.isEmpty && parsing == nil && unread.isEmpty, "who ends by itself has answered all")
      isFinishing = true
    case .closeOutput:
      try require(!isLingering && !isInputClosed, "it lingers once, for a client that may still send")
      isLingering = true
    case .close:
      try require(!isCloseAsked && !isInactive, "it is closed once")
      isCloseAsked = true
    case .release:
      try require(isInactive, "what is open isn't released")
      isReleased = true
      isDeadlineSet = false
      // What is begun is cancelled, what waits is dropped.
      (unread, rest, parsed, heldCommands, heldQueries) = ([], nil, [], [], [])
      (batches, heldChanges) = ([:], [])
      cancelledSubscriptions = subscriptions
    }
  }

  /// What must hold whenever a call begins or more is read.
  private func requireFlow() throws {
    try require(signIn == nil, "nothing passes a sign-in")
    try require(toldRoom, "nothing begins while the client doesn't take its answers")
  }

  private func requireRefusable(_ call: Call) throws {
    guard let number = call.batch else { throw Violation(description: "only calls of batches are refused") }
    // What the machine was told: what still lies in the outbox isn't taken yet.
    let held = batches.values.reduce(0) { $0 + $1.held } - heldChanges.reduce(0) { $0 + $1.bytes }
    try require(held > share.heldAnswers, "a call is refused only where too much is held")
    try require(batches[number] != nil, "a batch is answered with its last call")
  }

  private mutating func parse(_ line: Line) {
    switch line {
    case .call(let kind):
      parsed.append(Call(kind: kind))
      machine.parsed(Call(kind: kind), ofBatch: nil)
    case .large(let kind):
      parsing = Call(kind: kind)
      machine.parsingBegan()
    case .batch(let kinds):
      let number = (1...).first { batches[$0] == nil } ?? 0
      batches[number] = Batch(unanswered: kinds.count)
      for kind in kinds {
        parsed.append(Call(kind: kind, batch: number))
        machine.parsed(Call(kind: kind, batch: number), ofBatch: number)
      }
    }
  }

  private mutating func begin(_ call: Call) throws {
    try parsed.take(call, "calls begin in order, each once")
    try require(parsing == nil, "nobody signs in or out while a line is parsed for whom it was")
    try requireFlow()
    switch call.kind {
    case .ping: answer(call)
    case .command, .slowCommand:
      heldCommands.append(call)
      machine.commandArrived(call)
    case .query:
      heldQueries.append(call)
      machine.queryArrived(call, ofBatch: call.batch)
    case .signIn:
      signIn = call
      machine.signInBegan()
    case .signOut:
      machine.signedOut()
      identify(isLocal)
      answer(call)
    case .subscribe:
      if machine.maySubscribe {
        subscriptions += 1
        machine.subscriptionStarted()
      }
      try require(subscriptions <= limits.subscriptions, "no more subscriptions than allowed are open")
      answer(call)
    }
    try require(inFlight <= limits.inFlight, "no more calls than allowed are in flight")
    tellRoom()
  }
}

extension [ConnectionWorld.Call] {
  /// Removes the first call, which must be the given one.
  fileprivate mutating func take(_ call: ConnectionWorld.Call, _ promise: String) throws {
    guard first == call else { throw ConnectionWorld.Violation(description: promise) }
    removeFirst()
  }
}
