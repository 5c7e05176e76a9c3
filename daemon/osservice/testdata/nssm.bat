@echo off
rem Written by pipedai-orchestrator install --nssm. Run it elevated; it needs nssm.exe on the PATH.
rem pipedai-home: "C:\\Users\\Al Ice\\.pipedai"
setlocal DisableDelayedExpansion
chcp 65001 >nul
nssm stop PipedAIOrchestrator >nul 2>&1
nssm remove PipedAIOrchestrator confirm >nul 2>&1
nssm install PipedAIOrchestrator "C:\Program Files\100%% & more\pipedai-orchestrator.exe" || exit /b 1
nssm set PipedAIOrchestrator AppParameters """--home"" ""C:\Users\Al Ice\.pipedai"" ""start"" ""--log-file"" ""--port"" ""4599"" ""--stop-grace"" ""5m0s""" || exit /b 1
nssm set PipedAIOrchestrator DisplayName "PipedAI Orchestrator"
nssm set PipedAIOrchestrator Description "Looks after the workers of this host"
nssm set PipedAIOrchestrator Start SERVICE_AUTO_START
nssm set PipedAIOrchestrator AppEnvironmentExtra "PATH=C:\Program Files\100%% & more;C:\Windows" PIPEDAI_SERVICE=nssm
rem 0: asked to stop. 75: restart. Everything else was a failure.
nssm set PipedAIOrchestrator AppExit Default Restart
nssm set PipedAIOrchestrator AppExit 0 Exit
nssm set PipedAIOrchestrator AppExit 2 Exit
nssm set PipedAIOrchestrator AppRestartDelay 1000
rem Ctrl-C lets workers finish.
nssm set PipedAIOrchestrator AppStopMethodConsole 360000
nssm set PipedAIOrchestrator AppStdout "C:\Users\Al Ice\.pipedai\orchestrator\service.log"
nssm set PipedAIOrchestrator AppStderr "C:\Users\Al Ice\.pipedai\orchestrator\service.log"
nssm start PipedAIOrchestrator
