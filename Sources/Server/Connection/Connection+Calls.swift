import Access
import BasicTypes
import CanonicalJSON
import Catalog
import Dispatch
import Domain
import EventLog
import Logging
import NIOCore
import Protocol
import Queries
import Refusals

/// A command that waits for one before it.
struct HeldCommand {
  let request: Request
  let method: CommandMethod
  let principal: Principal
  /// Where it came from, when it did.
  let origin: Origin
  let ticket: UInt64
  let reply: Reply
  /// Whether its params are too large to be checked on the event loop.
  let isLarge: Bool
}

/// A query, or another call that a task answers, that waits for its turn.
struct HeldQuery {
  let request: Request
  let reply: Reply
  /// The commands that were sent before it.
  let commandsBefore: UInt64
  let kind: ServerMetrics.Kind
  /// Who asks, on whose account it takes time.
  let caller: RecordedCaller
  /// Whether its params are large.
  let isLarge: Bool
  /// Reads its params.
  let prepare: @Sendable (JSONObject) throws -> PreparedRead
}

/// Who calls, as far as it is recorded what they read and what they are refused.
struct RecordedCaller: Sendable {
  /// Nil before they have signed in.
  let principal: Principal?
  let origin: Origin
  /// Nil where nothing is recorded.
  let accesses: AccessLedger?

  /// Notes what an answer has shown.
  func note(_ read: ReadNote) {
    if let principal { accesses?.note(read, by: principal, from: origin) }
  }

  /// Notes that a call was refused, where such a refusal is recorded.
  func note(_ refusal: Refusal, of request: Request) {
    note(RefusedCall(method: request.method, params: request.params, refusal: refusal))
  }

  /// Notes a refused call.
  func note(_ call: RefusedCall?) {
    guard let call, let principal, let accesses else { return }
    accesses.note(call, by: principal, from: origin)
  }
}

/// A call that a task answers, whose params have been read.
struct PreparedRead: Sendable {
  /// What it waits for first.
  let wait: ReadWait
  /// Answers it once that is there: canonical JSON.
  let answer: @Sendable (ReadWait) async throws -> [UInt8]
}

extension Connection {
  /// Answers with an error, and counts it.
  func fail(_ reply: Reply, _ error: Refusal, kind: ServerMetrics.Kind) {
    services.metrics.refused(error)
    reply.fail(error, kind: kind)
  }

  /// Hands a call to whoever answers it.
  func route(_ request: Request, isLarge: Bool, _ reply: Reply) {
    var reply = reply
    do {
      guard let found = services.methods.find(request.method) else {
        // Strangers learn nothing about what there is, but by rpc.discover.
        guard try currentPrincipal() != nil else { throw Refusal.unauthenticated() }
        throw services.methods.unknown(request.method)
      }
      reply.method = found.number
      let method = found.entry
      let principal = try currentPrincipal()
      if principal == nil, !method.isOpenToStrangers { throw Refusal.unauthenticated() }
      switch method {
      case .command(let method):
        guard let principal else { throw Refusal.unauthenticated() }
        commandsSent += 1
        machine.commandArrived(
          HeldCommand(
            request: request, method: method, principal: principal, origin: peer.origin(for: session),
            ticket: commandsSent, reply: reply, isLarge: isLarge))
      case .query(let query):
        guard let principal else { throw Refusal.unauthenticated() }
        let queries = services.queries
        let caller = caller(principal)
        enqueue(request, isLarge: isLarge, reply, kind: .query, for: caller) { params in
          let prepared = try query.prepare(params)
          return PreparedRead(wait: prepared.wait) { wait in
            try await prepared.answer(
              QueryCall(engine: queries, principal: principal, wait: wait) { caller.note($0) })
          }
        }
      case .server(let method):
        try run(method, request, isLarge: isLarge, principal, reply)
      }
    } catch {
      let refusal = services.describe(error, method: request.method)
      if refusal.code == .forbidden, let principal = (try? currentPrincipal()) ?? nil {
        let caller = caller(principal)
        caller.note(refusal, of: request)
        services.tellRefusal(refusal, of: request.method, to: caller)
      }
      fail(reply, refusal, kind: .server)
    }
  }

  private func caller(_ principal: Principal?) -> RecordedCaller {
    RecordedCaller(principal: principal, origin: peer.origin(for: session), accesses: services.accesses)
  }

  // MARK: Commands

  /// Submits a command, or prepares it in the background first; the commands behind it wait until it is submitted.
  func run(_ command: HeldCommand) {
    let origin = command.origin
    let engine = services.engine
    if command.isLarge {
      let workers = services.lineWorkers
      return prepareElsewhere(command) {
        try await workers.run(for: command.principal.tenant) {
          try engine.prepare(
            command.method, params: command.request.params, principal: command.principal, origin: origin)
        }
      }
    }
    let prepared: PreparedCommand
    do {
      prepared = try engine.prepare(
        command.method, params: command.request.params, principal: command.principal, origin: origin)
    } catch {
      refuse(command, error)
      machine.commandPassed()
      return
    }
    guard prepared.needsBackground else {
      submit(prepared, command)
      machine.commandPassed()
      return
    }
    prepareElsewhere(command) { prepared }
  }

  /// Submits what a command comes to, once that is found out and what is slow is done.
  private func prepareElsewhere(
    _ command: HeldCommand, _ prepare: @escaping @Sendable () async throws -> PreparedCommand
  ) {
    let eventLoop = eventLoop
    let engine = services.engine
    _ = services.connections.spawn(for: command.principal.tenant, on: services.queryWorkers) {
      let outcome: Result<PreparedCommand, any Error>
      do {
        let prepared = try await prepare()
        outcome = .success(prepared.needsBackground ? try await engine.prepareInBackground(prepared) : prepared)
      } catch {
        outcome = .failure(error)
      }
      eventLoop.execute {
        switch outcome {
        case .success(let ready): self.submit(ready, command)
        case .failure(let failure): self.refuse(command, failure)
        }
        self.machine.commandPassed()
        self.proceed()
      }
    }
  }

  private func refuse(_ command: HeldCommand, _ error: any Error) {
    commands.complete(command.ticket, position: nil)
    let refusal = services.describe(error, method: command.request.method)
    let caller = RecordedCaller(
      principal: command.principal, origin: command.origin, accesses: services.accesses)
    caller.note(refusal, of: command.request)
    services.tellRefusal(refusal, of: command.request.method, to: caller)
    fail(command.reply, refusal, kind: .command)
  }

  private func submit(_ prepared: PreparedCommand, _ command: HeldCommand) {
    let commands = commands
    let services = services
    let reply = command.reply
    let ticket = command.ticket
    let caller = RecordedCaller(
      principal: prepared.principal, origin: prepared.origin, accesses: services.accesses)
    // While commands are under way the account stays, whoever signs in or joins an organization meanwhile: theirs is
    // one order.
    if commands.areAnswered(through: ticket - 1) { account = command.principal.tenant }
    services.engine.submit(prepared, on: account) { result in
      switch result {
      case .success(let result):
        commands.complete(ticket, position: result.position)
        reply.succeed(result.resultBytes, kind: .command)
      case .failure(let error):
        commands.complete(ticket, position: nil)
        services.metrics.refused(error)
        caller.note(RefusedCall(prepared, refusal: error))
        services.tellRefusal(error, of: prepared.method, to: caller)
        reply.fail(services.describe(error, method: prepared.method), kind: .command)
      }
    }
  }

  // MARK: Queries

  /// Takes a query in; it waits where too many run.
  func enqueue(
    _ request: Request, isLarge: Bool, _ reply: Reply, kind: ServerMetrics.Kind, for caller: RecordedCaller,
    prepare: @escaping @Sendable (JSONObject) throws -> PreparedRead
  ) {
    let query = HeldQuery(
      request: request, reply: reply, commandsBefore: commandsSent, kind: kind, caller: caller, isLarge: isLarge,
      prepare: prepare)
    machine.queryArrived(query, ofBatch: reply.target.batch)
  }

  /// Runs a query as a task of its own.
  func run(_ query: HeldQuery) {
    let ticket = tasks.nextQuery()
    let services = services
    let commands = commands
    let eventLoop = eventLoop
    let large = large
    let caller = query.caller
    let tenant = caller.principal?.tenant
    tasks.queries[ticket] = services.connections.spawn(for: tenant, on: services.queryWorkers) {
      do {
        let read =
          query.isLarge
          ? try await services.lineWorkers.run(for: tenant) { try query.prepare(query.request.params) }
          : try query.prepare(query.request.params)
        let position = try await read.wait.resolve(after: query.commandsBefore, of: commands, log: services.log)
        let wait = read.wait.with(position: position)
        let (answer, claim) = try await large.make(query.request.method, isRepeatable: query.kind == .query) {
          try await read.answer(wait)
        }
        query.reply.succeed(answer, kind: query.kind)
        services.tellIfSlow(query, to: caller)
        if let claim { large.end(claim) }
      } catch {
        let described = services.describe(error, method: query.request.method)
        services.metrics.refused(described)
        caller.note(described, of: query.request)
        services.tellRefusal(described, of: query.request.method, to: caller)
        services.tellIfSlow(query, to: caller)
        query.reply.fail(described, kind: query.kind)
      }
      eventLoop.execute {
        self.tasks.queries[ticket] = nil
        self.machine.queryFinished()
        self.proceed()
      }
    }
  }

  // MARK: The server's own methods

  private func run(
    _ method: ServerMethod, _ request: Request, isLarge: Bool, _ principal: Principal?, _ reply: Reply
  ) throws {
    if method.access == .administrator, principal?.isAdministrator != true {
      throw Refusal.forbidden(permission: "admin", "This is for administrators.")
    }
    let list = method.signature.parameters
    let services = services
    let outbox = http == nil ? outbox : nil
    let isLocal = peer.principal != nil
    let caller = caller(principal)
    let read: @Sendable (JSONObject) throws -> ServerCall = { params in
      let arguments = Arguments(params, of: list)
      try arguments.check()
      return ServerCall(
        services: services, principal: principal, isLocal: isLocal, caller: caller, outbox: outbox, arguments: arguments
      )
    }
    if isLarge, !method.work.isTask {
      let limit = LineWorkers.large
      throw Refusal.tooLarge(
        limit: Int64(limit), "The parameters of \(method.signature.name) may have about \(limit) bytes: send fewer.")
    }
    switch method.work {
    case .immediate(let answer):
      let result = try answer(try read(request.params), self)
      reply.succeed(JSON.object(result).canonicalBytes, kind: .server)
    case .connection(let answer):
      try answer(try read(request.params), self, reply)
    case .task(let answer):
      enqueue(request, isLarge: isLarge, reply, kind: .server, for: caller) { params in
        let call = try read(params)
        return PreparedRead(wait: ReadWait(call.arguments)) { _ in try await answer(call) }
      }
    }
  }
}

extension Services {
  /// Tells an operator of a call that was refused; what a client asks again in a moment is its own business.
  fileprivate func tellRefusal(_ refusal: Refusal, of method: String, to caller: RecordedCaller) {
    guard !refusal.code.isTransient else { return }
    notices.tell(
      .call,
      caller.logged.merging(["method": "\(method)", "code": "\(refusal.code.rawValue)"]) { own, _ in own })
  }

  /// Tells an operator of a query that took long.
  fileprivate func tellIfSlow(_ query: HeldQuery, to caller: RecordedCaller) {
    guard query.kind == .query else { return }
    let taken = Duration.nanoseconds(Int64(DispatchTime.now().uptimeNanoseconds - query.reply.started))
    guard taken > configuration.slowQuery else { return }
    let milliseconds = taken.components.seconds * 1000 + taken.components.attoseconds / 1_000_000_000_000_000
    notices.tell(
      .slowQuery,
      caller.logged.merging(["method": "\(query.request.method)", "milliseconds": "\(milliseconds)"]) { own, _ in own })
  }
}
