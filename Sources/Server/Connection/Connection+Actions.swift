import NIOCore
import Protocol
import Refusals

extension Connection {
  /// How long our closed side waits for the client to close its own.
  private static let lingering = TimeAmount.milliseconds(300)

  /// Carries out what the machine asks for. Must follow every input to the machine.
  func proceed() {
    while let action = machine.next() { carryOut(action) }
  }

  private func carryOut(_ action: Machine.Action) {
    switch action {
    case .parseLine: parseLine()
    case .parseRest: parseRest()
    case .begin(let entry):
      begin(entry)
      // What is answered at once fills the outbox at once.
      tellRoom()
    case .refuse(let entry): refuse(reply(to: entry), kind: .server)
    case .run(let command): run(command)
    case .answer(let query): run(query)
    case .refuseQuery(let query): refuse(query.reply, kind: query.kind)
    case .read: context?.read()
    case .control(let control): carryOut(control)
    }
  }

  private func carryOut(_ control: Machine.Control) {
    switch control {
    case .discardInput: discardInput()
    case .cancelSignIn: tasks.signIn?.cancel()
    case .cancelSubscriptions: tasks.cancelSubscriptions()
    case .startDeadline:
      deadline = schedule(in: services.configuration.signInTimeout) { $0.deadlinePassed() }
    case .cancelDeadline:
      deadline?.cancel()
      deadline = nil
    case .finish:
      context?.writeAndFlush(wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
        self.machine.lastWritten()
        self.proceed()
      }
    case .closeOutput:
      context?.close(mode: .output, promise: nil)
      _ = schedule(in: Self.lingering) { $0.lingered() }
    case .close: context?.close(promise: nil)
    case .release: release()
    }
  }

  /// Gives an input to the machine after a time, if the connection is there still.
  private func schedule(in time: TimeAmount, _ input: @escaping (inout Machine) -> Void) -> Scheduled<Void> {
    eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in
      guard let self else { return }
      input(&machine)
      proceed()
    }
  }

  private func release() {
    outbox.close()
    releaseHeld()
    tasks.cancelAll()
    deadline?.cancel()
    deadline = nil
    discardInput()
    http?.timer?.cancel()
    http?.timer = nil
    if services.connections.remove(self) { services.metrics.connectionClosed() }
  }

  /// Forgets what was read and not taken apart.
  private func discardInput() {
    framer.discard()
    http?.input.end()
    bufferingEnded()
    guard parked != nil else { return }
    parked = nil
    machine.parsingEnded()
  }

  // MARK: Beginning a call

  private func begin(_ entry: Entry) {
    switch entry.call {
    case .refused(_, let error): fail(reply(to: entry), error, kind: .server)
    case .request(let request): route(request, isLarge: entry.isLarge, reply(to: entry))
    }
  }

  private func reply(to entry: Entry) -> Reply {
    Reply(target: entry.reply, input: entry.input, outbox: outbox, metrics: services.metrics)
  }

  /// Answers a call of a batch whose answers are too large to be held.
  private func refuse(_ reply: Reply, kind: ServerMetrics.Kind) {
    let limit = machine.share.heldAnswers
    let message =
      "The answers to a batch may have about \(limit) bytes; this call was not carried out. Make it again by itself."
    fail(reply, .tooLarge(limit: Int64(limit), message), kind: kind)
  }
}
