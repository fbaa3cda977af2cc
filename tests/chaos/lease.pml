/* The protocol by which workers share trials, as it stands in framework/espalier/store: one atomic step is one transaction.
   A lease may run out at any moment, whatever any clock says; a worker may die or fall asleep between any two steps, and
   whoever wakes goes on with what it knew. -DNO_FENCE: writes look at the state of a trial only, not at the token. */

#define TRIALS 2
#ifndef WORKERS
#define WORKERS 3
#endif
#define EPOCHS 2        /* of a whole training; checkpoints come after each one but the last */
#define TOKENS 3        /* bounds the model: no trial is claimed more often */
#define DEATHS 1        /* bounds the model */
#define NOBODY 0

mtype = { fresh, queued, running, paused, complete };

/* The store. */
mtype state[TRIALS] = fresh;
byte token[TRIALS];
bool over[TRIALS];              /* the lease has run out */
byte until[TRIALS];             /* of the decision that the trial is carried out under; EPOCHS: to its end */
byte epochs[TRIALS];
byte saved[TRIALS];
byte writer[TRIALS * EPOCHS];   /* the token that wrote an epoch */
byte scored[TRIALS];            /* the token that wrote the scores */
byte decided;                   /* decisions */
byte ended;                     /* of them have ended */
byte pauses[TRIALS];            /* acknowledged */
byte completions[TRIALS];       /* acknowledged */
byte deaths;

#define FREE(t) (token[t] < TOKENS && (state[t] == queued || (state[t] == running && over[t])))
#define STUCK(t) (token[t] == TOKENS && (state[t] == queued || state[t] == running))
#ifdef NO_FENCE
#define HELD (state[t] == running)
#else
#define HELD (state[t] == running && token[t] == mine)
#endif

/* A trial that is complete has each epoch once, all after the checkpoint of the attempt that completed it and scored it. */
#define WHOLE(t) (state[t] != complete || (epochs[t] == EPOCHS && writer[t * EPOCHS] != NOBODY && writer[t * EPOCHS + 1] == token[t] && \
                  writer[t * EPOCHS] <= token[t] && scored[t] == token[t]))
#define ONCE(t) (completions[t] <= 1 && pauses[t] <= 1)
#define ENDS (ended <= decided && ended == completions[0] + completions[1] + pauses[0] + pauses[1])
#define CHECK assert(WHOLE(0) && WHOLE(1) && ONCE(0) && ONCE(1) && ENDS)

/* A worker that dies is replaced; what it held stays as it is. */
#define MAY_DIE :: atomic { deaths < DEATHS -> deaths++; goto idle }

proctype worker() {
  byte t, mine, epoch, goal;
  byte seen;
idle:
  t = 0; mine = 0; epoch = 0; goal = 0; seen = 0;
  if
  :: atomic {                                     /* claim: any that is free, where the store takes the one that was decided first */
       if
       :: FREE(0) -> t = 0
       :: FREE(1) -> t = 1
       fi;
       state[t] = running; token[t]++; over[t] = false;
       epochs[t] = saved[t];                      /* what came after the checkpoint is forgotten */
       if
       :: saved[t] < 1 -> writer[t * EPOCHS] = NOBODY
       :: else
       fi;
       if
       :: saved[t] < 2 -> writer[t * EPOCHS + 1] = NOBODY
       :: else
       fi;
       mine = token[t]; epoch = saved[t]; goal = until[t];
       CHECK
     }
  :: atomic { !FREE(0) && !FREE(1) && decided == ended && (state[0] != complete || state[1] != complete) && !STUCK(0) && !STUCK(1) -> seen = decided } ->
     if
     MAY_DIE
     :: atomic {                                  /* decide: refused if someone was faster */
          if
          :: decided != seen
          :: decided == seen && state[0] == fresh -> state[0] = queued; until[0] = 1; decided++
          :: decided == seen && state[0] != fresh && state[1] == fresh -> state[1] = queued; until[1] = EPOCHS; decided++
          :: decided == seen && state[0] == paused -> state[0] = queued; until[0] = EPOCHS; decided++
          :: else
          fi
        }
     fi;
     goto idle
  :: (state[0] == complete || STUCK(0)) && (state[1] == complete || STUCK(1)) -> goto done
  :: STUCK(0) || STUCK(1) -> goto done
  fi;
train:
  do
  MAY_DIE
  :: atomic { HELD -> over[t] = false }           /* renew */
  :: atomic {                                     /* record_epoch */
       epoch < goal ->
       if
       :: HELD -> epoch++; writer[t * EPOCHS + epoch - 1] = mine;
          if
          :: epochs[t] < epoch -> epochs[t] = epoch
          :: else
          fi;
          CHECK
       :: !HELD -> goto idle                       /* fenced */
       fi
     };
     if
     MAY_DIE
     :: atomic {                                  /* record_checkpoint */
          if
          :: epoch == EPOCHS                      /* the last epoch needs none */
          :: epoch < EPOCHS && HELD -> saved[t] = epoch; CHECK
          :: epoch < EPOCHS && !HELD -> goto idle
          fi
        }
     fi
  :: epoch == goal -> break
  od;
  if
  MAY_DIE
  :: atomic {                                     /* complete or pause, which end the decision */
       if
       :: HELD ->
          scored[t] = mine; ended++;
          if
          :: goal == EPOCHS -> state[t] = complete; completions[t]++
          :: else -> state[t] = paused; pauses[t]++
          fi;
          CHECK
       :: else
       fi
     }
  fi;
  goto idle;
done:
  skip
}

/* Time, of which nothing is assumed. */
proctype expiry() {
end:
  do
  :: atomic { state[0] == running && !over[0] -> over[0] = true }
  :: atomic { state[1] == running && !over[1] -> over[1] = true }
  od
}

init { atomic { byte i; for (i : 1 .. WORKERS) { run worker() } run expiry() } }
